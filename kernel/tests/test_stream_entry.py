"""Who gets into the live stream, what they may follow there, and when they are shown out."""

import contextlib
import json
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from riveredge_sdk.testing.platform import ApiClient, PlatformUnderTest, TestTenant
from riveredge_sdk.testing.plugin import AsUser, OpenStream
from riveredge_sdk.testing.stream import StreamClient

pytestmark = pytest.mark.database

READ = {"example.note.read", "example.note.write"}


def refused(platform: PlatformUnderTest, query: str = "", **options: Any) -> tuple[int, str]:
    """The status and the body of the answer to a handshake that is refused."""
    address = platform.base_url.replace("http", "ws", 1) + "/api/v1/stream" + query
    with pytest.raises(InvalidStatus) as caught, connect(address, proxy=None, **options):
        pass
    response = caught.value.response
    return response.status_code, (response.body or b"").decode()


def problem_of(answer: dict[str, Any]) -> int:
    """The status of a refused subscription."""
    assert answer["type"] == "error", answer
    status: int = answer["problem"]["status"]
    return status


# -- the door -------------------------------------------------------------------------------------------------------


def test_nobody_comes_in_without_ticket_or_token(platform: PlatformUnderTest) -> None:
    status, body = refused(platform)
    assert status == 401
    assert "/api/v1/stream/tickets" in body


def test_an_access_token_in_the_header_will_do(platform: PlatformUnderTest, client: ApiClient) -> None:
    address = platform.base_url.replace("http", "ws", 1) + "/api/v1/stream"
    with connect(address, proxy=None, additional_headers={"Authorization": client.headers["Authorization"]}) as socket:
        assert '"hello"' in str(socket.recv(20))


def test_a_token_in_the_address_is_no_ticket(platform: PlatformUnderTest, client: ApiClient) -> None:
    token = client.headers["Authorization"].removeprefix("Bearer ")
    assert refused(platform, f"?ticket={token}")[0] == 401
    assert refused(platform, f"?access_token={token}")[0] == 401


def test_a_ticket_is_good_once(platform: PlatformUnderTest, client: ApiClient, stream: OpenStream) -> None:
    live = stream(client)
    ticket = live.ticket()
    live.open(ticket)
    status, body = refused(platform, f"?ticket={ticket}")
    assert status == 401
    assert "used" in body


@pytest.mark.parametrize("ticket", ["", "x", "%00", "gAAAAA" + "A" * 200, "ä", "A" * 7000])
def test_a_made_up_ticket_is_none(platform: PlatformUnderTest, ticket: str) -> None:
    assert refused(platform, f"?ticket={ticket}")[0] == 401


def test_an_address_that_is_too_long_is_refused(platform: PlatformUnderTest) -> None:
    assert refused(platform, f"?ticket={'A' * 9000}")[0] == 400


def test_a_ticket_opens_its_own_tenant_only(
    client: ApiClient, as_user: AsUser, other_tenant: TestTenant, stream: OpenStream
) -> None:
    """Whatever the handshake's headers say: the ticket was made in one organisation, and shows that one's."""
    stranger = as_user(READ, tenant=other_tenant)
    live = stream(stranger, additional_headers={"X-Tenant": "other", "Authorization": client.headers["Authorization"]})
    live.subscribe("example.notes")
    client.post("/api/v1/example/notes", json={"title": "Not theirs"})
    own = stranger.post("/api/v1/example/notes", json={"title": "Theirs"}).json()["id"]
    assert live.next()["data"] == {"note": own}


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1.evil.example"]
)
def test_pages_of_other_origins_are_refused(client: ApiClient, platform: PlatformUnderTest, origin: str) -> None:
    ticket = StreamClient(client).ticket()
    status, body = refused(platform, f"?ticket={ticket}", origin=origin)
    assert status == 403
    assert "origin" in body


def test_our_own_pages_come_in(client: ApiClient, platform: PlatformUnderTest, stream: OpenStream) -> None:
    assert stream(client, origin=platform.base_url).subscribe("example.notes")["type"] == "subscribed"


def test_a_ticket_needs_an_organisation(platform: PlatformUnderTest, anonymous: ApiClient) -> None:
    assert anonymous.post("/api/v1/stream/tickets").status_code == 401


# -- topics ---------------------------------------------------------------------------------------------------------


def test_a_topic_needs_its_permission(as_user: AsUser, stream: OpenStream) -> None:
    live = stream(as_user({"kernel.run.read"}))
    assert problem_of(live.subscribe("example.notes")) == 403
    assert live.subscribe("kernel.runs")["type"] == "subscribed"


def test_topics_that_are_not_there(client: ApiClient, stream: OpenStream) -> None:
    live = stream(client)
    assert problem_of(live.subscribe("example.nothing")) == 404
    assert problem_of(live.subscribe("example.notes", "a-key")) == 400
    assert problem_of(live.subscribe("example.note")) == 400


def test_another_users_inbox_cannot_be_followed(client: ApiClient, as_user: AsUser, stream: OpenStream) -> None:
    other = as_user({"messaging.inbox.use"})
    assert other.user is not None
    live = stream(client)
    assert problem_of(live.subscribe("messaging.inbox", other.user.id)) == 403
    assert client.user is not None
    assert live.subscribe("messaging.inbox")["key"] == str(client.user.id)


def test_another_tenants_object_cannot_be_followed(
    client: ApiClient, as_user: AsUser, other_tenant: TestTenant, stream: OpenStream
) -> None:
    note = client.post("/api/v1/example/notes", json={"title": "Ours"}).json()["id"]
    assert stream(client).subscribe("example.note", note)["type"] == "subscribed"
    stranger = stream(as_user(READ, tenant=other_tenant))
    assert problem_of(stranger.subscribe("example.note", note)) == 403
    assert problem_of(stranger.subscribe("example.note", "no-id")) == 403


def test_the_list_of_topics_holds_what_one_may_follow(as_user: AsUser) -> None:
    topics = as_user({"kernel.run.read"}).get("/api/v1/stream/topics").json()
    assert {topic["id"] for topic in topics} == {"kernel.runs", "kernel.run"}


def test_a_plugin_that_is_off_has_no_topics(client: ApiClient, stream: OpenStream) -> None:
    live = stream(client)
    live.subscribe("example.notes")
    assert client.put("/api/v1/plugins/example", json={"enabled": False}).status_code == 200
    told = live.receive()
    assert (told["type"], told["topic"]) == ("revoked", "example.notes")
    assert problem_of(live.subscribe("example.notes")) == 404


# -- the end --------------------------------------------------------------------------------------------------------


def member_of(admin: ApiClient, user: ApiClient) -> tuple[str, str]:
    """Id and ETag of a user's membership."""
    assert user.user is not None
    wanted = str(user.user.id)
    members = admin.get("/api/v1/members", params={"limit": 200}).json()["items"]
    (found,) = [member for member in members if member["user_id"] == wanted]
    return found["id"], f'"{found["version"]}"'


@pytest.fixture
def administrator(platform: PlatformUnderTest, tenant: TestTenant, client: ApiClient) -> ApiClient:
    """`client`, who holds the administrator's role, without which an organisation cannot be."""
    member, etag = member_of(client, client)
    answer = client.patch(
        f"/api/v1/members/{member}", json={"roles": ["kernel.administrator"]}, headers={"If-Match": etag}
    )
    assert answer.status_code == 200, answer.text
    return client


def test_a_member_who_is_removed_is_shown_out(administrator: ApiClient, as_user: AsUser, stream: OpenStream) -> None:
    leaver = as_user(READ)
    live, stays = stream(leaver), stream(administrator)
    live.subscribe("example.notes")
    stays.subscribe("example.notes")
    member, etag = member_of(administrator, leaver)
    assert administrator.delete(f"/api/v1/members/{member}", headers={"If-Match": etag}).status_code == 204
    assert live.closed().code == 4403
    administrator.post("/api/v1/example/notes", json={"title": "Still here"})
    assert stays.next()["what"] == "written"


def test_a_permission_that_is_taken_away_ends_the_subscription(
    administrator: ApiClient, as_user: AsUser, stream: OpenStream
) -> None:
    user = as_user(READ | {"kernel.run.read"})
    live = stream(user)
    live.subscribe("example.notes")
    live.subscribe("kernel.runs")
    roles = administrator.get("/api/v1/roles", params={"limit": 200}).json()["items"]
    (role,) = [role for role in roles if set(role["permissions"]) == READ | {"kernel.run.read"}]
    answer = administrator.patch(
        f"/api/v1/roles/{role['id']}",
        json={"permissions": ["kernel.run.read"]},
        headers={"If-Match": f'"{role["version"]}"'},
    )
    assert answer.status_code == 200, answer.text
    told = live.receive()
    assert (told["type"], told["topic"]) == ("revoked", "example.notes")
    assert problem_of(live.subscribe("example.notes")) == 403


def test_signing_out_ends_the_stream(as_user: AsUser, stream: OpenStream) -> None:
    user = as_user(READ)
    live = stream(user)
    live.subscribe("example.notes")
    assert user.post("/api/v1/auth/logout").status_code == 204
    assert live.closed().code == 4401


def test_a_revoked_key_ends_its_stream(platform: PlatformUnderTest, as_user: AsUser) -> None:
    owner = as_user(READ | {"kernel.api_key.own"})
    key = owner.post("/api/v1/api-keys", json={"name": "Robot", "permissions": ["example.note.read"]}).json()
    address = platform.base_url.replace("http", "ws", 1) + "/api/v1/stream"
    with connect(address, proxy=None, additional_headers={"Authorization": f"Bearer {key['key']}"}) as socket:
        socket.send('{"type": "subscribe", "topic": "example.notes"}')
        assert [json.loads(socket.recv(20))["type"] for _ in range(2)] == ["hello", "subscribed"]
        socket.send('{"type": "subscribe", "topic": "kernel.runs"}')
        assert problem_of(json.loads(socket.recv(20))) == 403, "the key does not name that permission"
        assert owner.post(f"/api/v1/api-keys/{key['id']}/revoke").status_code == 200
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(20)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


# -- bad manners ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{", '{"type":"subscribe"}', '{"type":"shout"}', '{"type":"ping","x":1}', '"x"' * 50]
)
def test_what_cannot_be_understood_is_answered(client: ApiClient, stream: OpenStream, text: str) -> None:
    live = stream(client)
    live.socket.send(text)
    assert problem_of(live.receive()) == 400
    live.send(type="ping")
    assert live.receive() == {"type": "pong"}


def test_giant_frames_end_the_connection(client: ApiClient, stream: OpenStream) -> None:
    live = stream(client)
    live.socket.send("x" * 20_000)
    assert live.closed().code == 1009


def test_bytes_end_the_connection(client: ApiClient, stream: OpenStream) -> None:
    live = stream(client)
    live.socket.send(b"\x00\x01")
    assert live.closed().code == 1008


def test_there_is_an_end_to_subscriptions(client: ApiClient, stream: OpenStream) -> None:
    live = stream(client)
    notes = [{"title": str(number)} for number in range(101)]
    made = client.post("/api/v1/example/notes/import", json=notes).json()
    answers = [live.subscribe("example.note", note["id"]) for note in made]
    assert [answer["type"] for answer in answers[:100]] == ["subscribed"] * 100
    assert problem_of(answers[100]) == 429
    live.send(type="unsubscribe", topic="example.note", key=made[0]["id"])
    assert live.receive()["type"] == "unsubscribed"
    assert live.subscribe("example.note", made[100]["id"])["type"] == "subscribed"


def test_a_flood_ends_the_connection(client: ApiClient, stream: OpenStream) -> None:
    live = stream(client)
    with contextlib.suppress(ConnectionClosed):
        for _ in range(2000):
            live.send(type="ping")
    assert live.closed().code == 1008


def test_there_is_an_end_to_connections_of_one_user(
    platform: PlatformUnderTest, client: ApiClient, stream: OpenStream
) -> None:
    open_ones = [stream(client) for _ in range(20)]
    ticket = StreamClient(client).ticket()
    assert refused(platform, f"?ticket={ticket}")[0] == 429
    open_ones[0].close()
