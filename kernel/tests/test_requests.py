"""How requests are answered: errors, versions, lists and repeated requests, over real HTTP on both databases."""

import asyncio
import http.client
import json
import socket
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from sqlalchemy import update

from riveredge_kernel.http.models import IdempotencyRecord
from riveredge_kernel.testing import ThreadedPlatform
from riveredge_sdk.testing.platform import ApiClient, PlatformUnderTest, TestTenant
from riveredge_sdk.testing.plugin import AsUser

NOTES = "/api/v1/example/notes"


def write(client: ApiClient, title: str = "Milk", **values: Any) -> dict[str, Any]:
    """A new note."""
    answer = client.post(NOTES, json={"title": title, **values})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def assert_problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """The answer is this problem."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["type"] == f"urn:riveredge:problem:{code}"
    assert document["status"] == status
    assert document["request_id"] == answer.headers["x-request-id"]
    return document


@pytest.mark.database
def test_a_row_is_created_read_changed_and_deleted(client: ApiClient) -> None:
    made = write(client, text="two litres")
    place = f"{NOTES}/{made['id']}"
    read = client.get(place)
    assert read.json() == made
    assert read.headers["etag"] == '"1"'
    changed = client.patch(place, json={"title": "Oat milk"}, headers={"If-Match": read.headers["etag"]})
    assert changed.status_code == 200, changed.text
    assert changed.json()["title"] == "Oat milk"
    assert changed.json()["version"] == 2
    assert changed.headers["etag"] == '"2"'
    assert client.delete(place, headers={"If-Match": '"2"'}).status_code == 204
    assert_problem(client.get(place), 404, "not-found")


@pytest.mark.database
def test_changes_need_the_version_that_was_seen(client: ApiClient) -> None:
    place = f"{NOTES}/{write(client)['id']}"
    assert_problem(client.patch(place, json={"title": "x"}), 428, "precondition-required")
    assert_problem(client.patch(place, json={"title": "x"}, headers={"If-Match": "abc"}), 400, "bad-request")
    stale = assert_problem(client.patch(place, json={"title": "x"}, headers={"If-Match": '"7"'}), 412, "stale")
    assert stale["version"] == 1


def test_what_has_not_changed_is_not_sent_again(client: ApiClient) -> None:
    place = f"{NOTES}/{write(client)['id']}"
    assert client.get(place, headers={"If-None-Match": '"1"'}).status_code == 304


@pytest.mark.database
def test_only_one_of_simultaneous_changes_wins(platform: PlatformUnderTest, client: ApiClient) -> None:
    place = f"{NOTES}/{write(client)['id']}"

    async def change(number: int) -> int:
        async with httpx2.AsyncClient(base_url=platform.base_url, headers=client.headers, timeout=30) as http:
            answer = await http.patch(place, json={"title": f"Title {number}"}, headers={"If-Match": '"1"'})
            return answer.status_code

    async def together() -> list[int]:
        return list(await asyncio.gather(*(change(number) for number in range(8))))

    assert sorted(asyncio.run(together())) == [200, *[412] * 7]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "title"),
        ({"title": ""}, "title"),
        ({"title": 7}, "title"),
        ({"title": "x", "colour": "red"}, "colour"),
        ({"title": "x", "tags": ["a", 3]}, "tags.1"),
        ({"title": "x", "remind_at": "2026-11-23T08:00:00"}, "remind_at"),
    ],
)
def test_bad_fields_are_named(client: ApiClient, body: dict[str, Any], field: str) -> None:
    problem = assert_problem(client.post(NOTES, json=body), 422, "invalid")
    assert [error["field"] for error in problem["errors"]] == [field]
    assert problem["errors"][0]["message"]


def test_a_body_that_is_not_json_is_refused(client: ApiClient) -> None:
    headers = {"Content-Type": "application/json"}
    assert_problem(client.post(NOTES, content=b'{"title": ', headers=headers), 400, "bad-request")
    assert_problem(client.post(NOTES, content=b"\xff\xfe", headers=headers), 400, "bad-request")


def test_a_body_that_is_too_large_is_refused(client: ApiClient) -> None:
    answer = client.post(NOTES, json={"title": "x", "text": "y" * 2_000_000})
    assert_problem(answer, 413, "too-large")


def test_the_router_s_own_errors_are_problems(client: ApiClient) -> None:
    assert_problem(client.get("/api/v1/nowhere"), 404, "not-found")
    assert_problem(client.put(NOTES, json={}), 405, "method-not-allowed")
    assert client.put(NOTES, json={}).headers["allow"] == "GET, POST"
    assert_problem(client.get(f"{NOTES}/not-a-uuid"), 422, "invalid")


def test_requests_carry_ids(client: ApiClient) -> None:
    assert client.get(NOTES, headers={"X-Request-ID": "mine-1"}).headers["x-request-id"] == "mine-1"
    forged = client.get(NOTES, headers={"X-Request-ID": "a b{c}"}).headers["x-request-id"]
    assert forged != "a b{c}"


@pytest.mark.database
def test_text_of_every_script_is_kept(client: ApiClient) -> None:
    title = "牛奶 🥛 «Молоко» \u202ertl"
    assert write(client, title)["title"] == title
    assert_problem(client.post(NOTES, json={"title": "a\x00b"}), 422, "invalid")


@pytest.mark.database
def test_lists_are_paged_filtered_and_sorted(client: ApiClient) -> None:
    for number in range(7):
        write(client, f"Note {number}", text="even" if number % 2 == 0 else "odd")
    wanted = json.dumps({"match": "all", "conditions": [{"field": "text", "op": "eq", "value": "even"}]})
    titles: list[str] = []
    cursor: str | None = None
    pages = 0
    while True:
        query: dict[str, Any] = {"limit": 2, "filter": wanted, "sort": "-title"}
        answer = client.get(NOTES, params={**query, "cursor": cursor} if cursor else query)
        assert answer.status_code == 200, answer.text
        titles += [item["title"] for item in answer.json()["items"]]
        pages += 1
        cursor = answer.json()["next"]
        if cursor is None:
            break
    assert titles == ["Note 6", "Note 4", "Note 2", "Note 0"]
    assert pages == 2


@pytest.mark.database
def test_a_page_does_not_move_when_rows_come_in(client: ApiClient) -> None:
    for number in range(4):
        write(client, f"{number}")
    first = client.get(NOTES, params={"limit": 2}).json()
    write(client, "new")
    second = client.get(NOTES, params={"limit": 2, "cursor": first["next"]}).json()
    assert [item["title"] for item in first["items"] + second["items"]] == ["3", "2", "1", "0"]


def test_wrong_list_parameters_are_named(client: ApiClient) -> None:
    def field(**params: Any) -> list[str]:
        return [e["field"] for e in assert_problem(client.get(NOTES, params=params), 422, "invalid")["errors"]]

    assert field(limit=0) == ["query.limit"]
    assert field(colour="red") == ["query.colour"]
    assert field(sort="colour") == ["query.sort"]
    assert field(cursor="abc") == ["query.cursor"]
    assert field(filter="{") == ["query.filter"]
    bad = {"match": "all", "conditions": [{"field": "title", "op": "like", "value": "x"}]}
    assert field(filter=json.dumps(bad)) == ["query.filter.conditions.0.op"]


@pytest.mark.database
def test_a_cursor_is_good_for_its_own_list_and_tenant(
    client: ApiClient, as_user: AsUser, other_tenant: TestTenant
) -> None:
    for number in range(3):
        write(client, f"{number}")
    cursor = client.get(NOTES, params={"limit": 1}).json()["next"]
    stranger = as_user({"example.note.read"}, tenant=other_tenant)
    assert_problem(stranger.get(NOTES, params={"limit": 1, "cursor": cursor}), 422, "invalid")
    assert_problem(client.get(NOTES, params={"limit": 1, "cursor": cursor, "sort": "title"}), 422, "invalid")
    assert_problem(client.get(NOTES, params={"limit": 1, "cursor": cursor[:-2] + "xx"}), 422, "invalid")


@pytest.mark.database
def test_a_repeated_post_is_done_once(platform: PlatformUnderTest, client: ApiClient) -> None:
    async def post(http: httpx2.AsyncClient) -> httpx2.Response:
        return await http.post(NOTES, json={"title": "Once"}, headers={"Idempotency-Key": "order-1"})

    async def together() -> list[httpx2.Response]:
        async with httpx2.AsyncClient(base_url=platform.base_url, headers=client.headers, timeout=30) as http:
            return list(await asyncio.gather(*(post(http) for _ in range(10))))

    answers = asyncio.run(together())
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 9
    assert len(client.get(NOTES).json()["items"]) == 1


@pytest.mark.database
def test_a_key_belongs_to_one_request_and_one_person(client: ApiClient, as_user: AsUser) -> None:
    key = {"Idempotency-Key": "k"}
    assert client.post(NOTES, json={"title": "A"}, headers=key).status_code == 201
    assert_problem(client.post(NOTES, json={"title": "B"}, headers=key), 422, "invalid")
    other = as_user({"example.note.write"})
    assert other.post(NOTES, json={"title": "B"}, headers=key).json()["title"] == "B"
    assert_problem(client.post(NOTES, json={"title": "A"}, headers={"Idempotency-Key": "x" * 300}), 400, "bad-request")


@pytest.mark.database
def test_an_expired_record_is_not_replayed(platform: ThreadedPlatform, client: ApiClient) -> None:
    key = {"Idempotency-Key": "old"}
    first = client.post(NOTES, json={"title": "A"}, headers=key).json()["id"]
    assert client.post(NOTES, json={"title": "A"}, headers=key).json()["id"] == first

    async def expire() -> None:
        async with platform.platform.database.system("test", platform.platform.runtime) as db:
            await db.exec(update(IdempotencyRecord).values(expires_at=platform.now() - timedelta(seconds=1)))

    platform.run(expire())
    second = client.post(NOTES, json={"title": "B"}, headers=key)
    assert second.status_code == 201, second.text
    assert second.json()["id"] != first
    assert client.post(NOTES, json={"title": "B"}, headers=key).headers["idempotency-replayed"] == "true"


def test_a_failed_request_may_be_sent_again_with_its_key(client: ApiClient) -> None:
    key = {"Idempotency-Key": "again"}
    assert_problem(client.post(NOTES, json={"title": ""}, headers=key), 422, "invalid")
    assert client.post(NOTES, json={"title": "Now"}, headers=key).status_code == 201


@pytest.mark.database
def test_a_request_that_fails_leaves_nothing(client: ApiClient) -> None:
    answer = client.post(f"{NOTES}/import", json=[{"title": "One"}, {"title": "Two", "text": "x" * 10_001}])
    assert_problem(answer, 422, "invalid")
    assert client.get(NOTES).json()["items"] == []


def test_health_is_told(anonymous: ApiClient) -> None:
    assert anonymous.get("/health/live").json() == {"status": "ok"}
    ready = anonymous.get("/health/ready")
    assert ready.status_code == 200, ready.text
    plugins = {plugin["id"]: plugin["state"] for plugin in anonymous.get("/health/plugins").json()["plugins"]}
    assert {"kernel", "messaging", "example"} <= plugins.keys()
    assert set(plugins.values()) == {"active"}
    assert "riveredge_http_request_seconds" in anonymous.get("/metrics").text


def test_front_ends_of_plugins_are_served(anonymous: ApiClient) -> None:
    page = anonymous.get("/apps/example/panel/")
    assert page.status_code == 200
    assert "<h1>Notes</h1>" in page.text
    assert "<h1>Notes</h1>" in anonymous.get("/apps/example/panel/deep/link").text
    assert anonymous.get("/apps/example/panel/../../../etc/passwd").status_code == 404


@pytest.mark.parametrize(
    "value",
    [
        "[" * 500 + "]" * 500,
        '{"a":' * 400 + "1" + "}" * 400,
        '"\\ud800"',
        '["\\udfff"]',
        '{"\\ud800": 1}',
        "[NaN]",
        "[-1e999]",
    ],
)
def test_what_cannot_be_kept_is_refused(client: ApiClient, value: str) -> None:
    for body in (f'{{"title": {value}}}', f'{{"title": "x", "\\ud800": {value}}}'):
        answer = client.post(NOTES, content=body.encode(), headers={"Content-Type": "application/json"})
        assert_problem(answer, 422, "invalid")


def test_a_body_that_comes_at_once_leaves_nothing_to_the_next_request(
    platform: PlatformUnderTest, client: ApiClient
) -> None:
    place = urlsplit(platform.base_url)
    token = client.headers["Authorization"]

    def request(method: str, body: bytes = b"") -> bytes:
        head = f"{method} {NOTES} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Length: {len(body)}\r\n"
        return head.encode() + b"Content-Type: application/json\r\n\r\n" + body

    for _ in range(5):
        with socket.create_connection((str(place.hostname), place.port or 80), timeout=30) as connection:
            for sent, status in ((request("POST", b"[" * 150_000), 400), (request("GET"), 200)):
                connection.sendall(sent)
                answer = http.client.HTTPResponse(connection)
                answer.begin()
                answer.read()
                assert answer.status == status
