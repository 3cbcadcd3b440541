"""An organisation that tests build."""

import itertools
from typing import Any

from riveredge_sdk.testing.platform import ApiClient

BASE = "/api/v1/directory"
_numbers = itertools.count()


class Org:
    """The directory over HTTP, by one of its managers."""

    def __init__(self, client: ApiClient) -> None:
        self.client = client

    @staticmethod
    def me(client: ApiClient) -> str:
        """The user's id."""
        assert client.user is not None
        return str(client.user.id)

    def get(self, path: str, **query: Any) -> Any:
        """What is there."""
        answer = self.client.get(f"{BASE}/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        """What was made."""
        answer = self.client.post(f"{BASE}/{path}", json=body)
        assert answer.status_code in {200, 201}, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def refused(self, path: str, code: str, **body: Any) -> dict[str, Any]:
        """The problem; `code` is that of its first field."""
        answer = self.client.post(f"{BASE}/{path}", json=body)
        assert answer.status_code in {409, 422}, answer.text
        problem: dict[str, Any] = answer.json()
        assert problem["errors"][0]["code"] == code, problem
        return problem

    def patch(self, path: str, row: dict[str, Any], **body: Any) -> Any:
        """The answer to a change of a row."""
        return self.client.patch(f"{BASE}/{path}/{row['id']}", json=body, headers={"If-Match": f'"{row["version"]}"'})

    def delete(self, path: str, row: dict[str, Any]) -> Any:
        """The answer to the deletion of a row."""
        return self.client.delete(f"{BASE}/{path}/{row['id']}", headers={"If-Match": f'"{row["version"]}"'})

    def department(self, key: str, parent: str | None = None, *, heads: tuple[str, ...] = ()) -> str:
        """The id of a new department, with its heads in their order."""
        made = self.post("departments", key=key, name=key.title(), parent_id=parent, order=next(_numbers))
        for order, head in enumerate(heads):
            self.post("department-heads", department_id=made["id"], user_id=head, order=order)
        return str(made["id"])

    def join(self, user_id: str, department: str, **more: Any) -> dict[str, Any]:
        """A new membership."""
        return self.post("memberships", user_id=user_id, department_id=department, **more)

    def chain(self, user_id: str, **query: Any) -> list[str]:
        """The ids of somebody's managers."""
        return [each["user"]["id"] for each in self.get(f"people/{user_id}/managers", **query)["chain"]]

    def ids(self, path: str, **query: Any) -> list[str]:
        """The ids of a list's rows."""
        return [row["id"] for row in self.get(path, **query)["items"]]
