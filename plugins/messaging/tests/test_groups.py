"""A message to a group of the directory reaches its people of that moment, those of what is within it among them."""

from datetime import timedelta
from typing import Any

import pytest

from riveredge_messaging import service
from riveredge_messaging.sending import functions as sending_functions
from riveredge_sdk.testing.platform import ApiClient, EngineControl
from riveredge_sdk.testing.plugin import AsUser

MESSAGES = "/api/v1/messaging/messages"
Made = dict[str, Any]


def user_id(client: ApiClient) -> str:
    assert client.user is not None
    return str(client.user.id)


def made(client: ApiClient, place: str, **body: Any) -> Made:
    answer = client.post(f"/api/v1/directory/{place}", json=body)
    assert answer.status_code == 201, answer.text
    row: Made = answer.json()
    return row


@pytest.mark.database
def test_a_message_to_a_group_reaches_all_who_are_in_it_by_then(
    client: ApiClient, as_user: AsUser, engine: EngineControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two of them with the request, the others by pages of two.
    monkeypatch.setattr(service, "INLINE", 2)
    monkeypatch.setattr(sending_functions, "PAGE", 2)
    ada, bob, eve, dan, late = (as_user({"messaging.inbox.use"}) for _ in range(5))
    sales = made(client, "departments", key="sales", name="Sales")
    north = made(client, "departments", key="north", name="North", parent_id=sales["id"])
    board, leads = (made(client, "groups", key=key, name=key.title()) for key in ("board", "leads"))
    made(client, f"groups/{board['id']}/members", user_id=user_id(ada))
    made(client, f"groups/{board['id']}/members", member_group_id=leads["id"])
    made(client, f"groups/{leads['id']}/members", user_id=user_id(bob))
    made(client, f"groups/{leads['id']}/members", department_id=sales["id"])
    for person in (bob, eve, dan):
        made(client, "memberships", user_id=user_id(person), department_id=north["id"])

    body = {"template": "messaging.welcome", "data": {"product": "x"}, "channels": ["messaging.in_app"]}
    body |= {"groups": ["board"], "to": [user_id(ada)]}
    planned = client.post(MESSAGES, json=body, params={"dry_run": True}).json()
    via = {each["id"]: each["via"] for each in planned["recipients"]}
    assert via == {user_id(ada): "user"} | {user_id(each): "group:board" for each in (bob, eve, dan)}

    now = client.post(MESSAGES, json=body)
    later = client.post(MESSAGES, json={**body, "send_at": (engine.now() + timedelta(hours=1)).isoformat()})
    assert (now.status_code, later.status_code) == (202, 202), now.text + later.text
    engine.platform.settle()
    # Whoever comes or goes until then counts.
    made(client, f"groups/{leads['id']}/members", user_id=user_id(late))
    found = client.get("/api/v1/members", params={"filter": _eq("user_id", user_id(dan))}).json()["items"][0]
    leave = {"If-Match": f'"{found["version"]}"'}
    assert client.patch(f"/api/v1/members/{found['id']}", json={"active": False}, headers=leave).status_code == 200
    engine.advance(hours=1)
    engine.platform.settle()

    def reached(message: Any) -> dict[str, str]:
        deliveries = client.get(f"{MESSAGES}/{message.json()['id']}").json()["deliveries"]
        return {each["recipient_id"]: each["status"] for each in deliveries}

    assert reached(now) == {user_id(each): "delivered" for each in (ada, bob, eve, dan)}
    assert reached(later) == {user_id(each): "delivered" for each in (ada, bob, eve, late)}
    inboxes = [len(each.get("/api/v1/messaging/inbox").json()["items"]) for each in (ada, bob, eve, late)]
    assert inboxes == [2, 2, 2, 1]


def _eq(field: str, value: str) -> str:
    return f'{{"conditions": [{{"field": "{field}", "op": "eq", "value": "{value}"}}]}}'
