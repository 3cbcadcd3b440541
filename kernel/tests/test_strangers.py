"""Whatever a stranger sends, and wherever: who they are comes first, and nothing of the request is read before that."""

from riveredge_kernel.testing import ThreadedPlatform
from riveredge_sdk.testing.platform import ApiClient

HIDDEN = {401, 403, 404}
# Also with the right shape, an id that is none is looked at after the token.
PLACES = ("00000000-0000-7000-8000-000000000000", "no-id")
GARBAGE = (b"{", b'{"no_such_field": "' + b"x" * 2000 + b'"}', b"\xff\xfe")


def test_nothing_is_read_before_it_is_known_who_asks(platform: ThreadedPlatform, anonymous: ApiClient) -> None:
    tried = set[str]()
    for path, methods in platform.openapi["paths"].items():
        for method, described in methods.items():
            operators = path.startswith("/api/v1/operator/")
            if "security" not in described and not operators:
                continue
            tried.add("operator" if operators else "member")
            for place in PLACES:
                parts = [place if part.startswith("{") else part for part in path.split("/")]
                for body in GARBAGE:
                    for token in ("", "Bearer garbage"):
                        headers = {"Content-Type": "application/json", **({"Authorization": token} if token else {})}
                        parameters = {"limit": "many", "filter": "{", "sort": "?"}
                        answer = anonymous.request(
                            method.upper(), "/".join(parts), content=body, headers=headers, params=parameters
                        )
                        assert answer.status_code in HIDDEN, (method, path, body[:20], token, answer.text)
    assert tried == {"operator", "member"}
