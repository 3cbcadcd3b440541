"""How much an organisation may have and do, and what it is told about that."""

import asyncio
import base64
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from riveredge_kernel.limits.limiter import Limiter
from riveredge_kernel.limits.requests import PER_DAY, PER_MINUTE, RequestQuotas
from riveredge_kernel.testing import ThreadedPlatform, start
from riveredge_sdk.problems import TooManyRequests
from riveredge_sdk.testing.platform import ApiClient, DatabaseKind, TestTenant
from riveredge_sdk.testing.plugin import AsUser

pytestmark = [pytest.mark.database, pytest.mark.usefixtures("engine")]

OPERATOR = {"Authorization": "Bearer operators-token-of-tests"}
NOTES = "/api/v1/example/notes"


@pytest.fixture(scope="module")
def platform(database_kind: DatabaseKind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreadedPlatform]:
    """A platform with a limit for everybody, whose operators have a token."""
    quotas = {"limits": {"example.notes": 2, "messaging.attachments": 1000}}
    ops = {"token": "operators-token-of-tests"}
    with start(database_kind, tmp_path_factory.mktemp("quotas"), ops=ops, quotas=quotas) as made:
        yield made


def set_limits(client: ApiClient, tenant: TestTenant, limits: dict[str, Any]) -> Any:
    """The answer to operators' limits for an organisation."""
    place = f"/api/v1/operator/tenants/{tenant.id}"
    version = client.get(place, headers=OPERATOR).headers["etag"]
    return client.put(f"{place}/quotas", json={"limits": limits}, headers={**OPERATOR, "If-Match": version})


def test_what_is_counted_is_refused_beyond_the_limit(
    platform: ThreadedPlatform, tenant: TestTenant, client: ApiClient, anonymous: ApiClient, other_tenant: TestTenant
) -> None:
    for number in range(2):
        made = client.post(NOTES, json={"title": f"{number}"})
        assert made.status_code == 201
        assert made.headers["ratelimit-policy"] == '"example.notes";q=2;qu="rows"'
        assert made.headers["ratelimit"] == f'"example.notes";r={1 - number}'
    refused = client.post(NOTES, json={"title": "3"})
    assert (refused.status_code, refused.headers["ratelimit"]) == (403, '"example.notes";r=0')
    problem = refused.json()
    assert problem["type"] == "urn:riveredge:problem:quota-exceeded"
    assert (problem["quota"], problem["limit"], problem["used"]) == ("example.notes", 2, 2)
    seen = {quota["id"]: quota for quota in client.get("/api/v1/quotas").json()}
    assert (seen["example.notes"]["limit"], seen["example.notes"]["used"]) == (2, 2)
    assert (seen["kernel.members"]["limit"], seen["kernel.members"]["source"]) == (None, "default")

    assert set_limits(anonymous, tenant, {"example.notez": 1}).json()["errors"][0]["field"] == "limits.example.notez"
    assert set_limits(anonymous, tenant, {"example.notes": -1}).status_code == 422
    allowed = set_limits(anonymous, tenant, {"example.notes": 5, "kernel.members": 1})
    assert allowed.status_code == 200, allowed.text
    assert {q["id"]: q["limit"] for q in allowed.json()}["example.notes"] == 5
    stale = {**OPERATOR, "If-Match": '"1"'}
    place = f"/api/v1/operator/tenants/{tenant.id}/quotas"
    assert anonymous.put(place, json={"limits": {}}, headers=stale).status_code == 412
    assert anonymous.put(place, json={"limits": {}}, headers={"If-Match": '"1"'}).status_code == 401
    member = client.post("/api/v1/members", json={"email": f"a-{tenant.slug}@example.com"})
    assert member.json()["quota"] == "kernel.members"

    async def at_once() -> list[int]:
        async with httpx2.AsyncClient(base_url=platform.base_url, headers=client.headers, timeout=30) as http:
            answers = await asyncio.gather(*(http.post(NOTES, json={"title": "x"}) for _ in range(8)))
            return sorted(answer.status_code for answer in answers)

    assert asyncio.run(at_once()) == [201] * 3 + [403] * 5, "of many at once, no more than there is room for"
    set_limits(anonymous, tenant, {"example.notes": None})
    assert client.post(NOTES, json={"title": "6"}).status_code == 201


def test_bytes_are_counted_as_rows_are(client: ApiClient) -> None:
    assert client.user is not None
    message = {"template": "messaging.welcome", "to": [str(client.user.id)], "data": {"product": "x"}}
    file = {"name": "a.txt", "content": base64.b64encode(bytes(600)).decode()}
    answers = [client.post("/api/v1/messaging/messages", json={**message, "attachments": [file]}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 403]
    problem = answers[1].json()
    assert (problem["quota"], problem["limit"], problem["used"]) == ("messaging.attachments", 1000, 600)
    assert len(client.get("/api/v1/messaging/messages").json()["items"]) == 1


def test_requests_are_paced_and_what_is_left_is_told(  # noqa: PLR0917
    platform: ThreadedPlatform,
    tenant: TestTenant,
    client: ApiClient,
    anonymous: ApiClient,
    as_user: AsUser,
    other_tenant: TestTenant,
) -> None:
    assert "ratelimit" not in client.get("/api/v1/auth/me").headers
    set_limits(anonymous, tenant, {PER_DAY: 5, PER_MINUTE: 1000})
    answers = [client.get("/api/v1/auth/me") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    first, last = answers[0], answers[-1]
    assert first.headers["ratelimit-policy"] == '"minute";q=1000;w=60, "day";q=5;w=86400'
    assert re.fullmatch(r'"minute";r=999;t=\d+, "day";r=4;t=\d+', first.headers["ratelimit"])
    assert re.search(r'"day";r=0;t=\d+', last.headers["ratelimit"])
    assert 0 < int(last.headers["retry-after"]) <= 86_400
    assert (last.json()["quota"], last.json()["limit"]) == (PER_DAY, 5)
    assert as_user(platform.permissions, tenant=other_tenant).get("/api/v1/auth/me").status_code == 200
    platform.advance(timedelta(days=1))
    assert client.get("/api/v1/auth/me").status_code == 200


def test_the_limit_holds_for_all_processes_and_costs_few_statements(
    platform: ThreadedPlatform, tenant: TestTenant
) -> None:
    class Counting(Limiter):
        leases = 0

        async def add(self, key: str, amount: int, ends_at: datetime) -> int:
            Counting.leases += 1
            return await super().add(key, amount, ends_at)

    now = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)

    async def work() -> int:
        database, runtime = platform.platform.database, platform.platform.runtime
        processes = [RequestQuotas(Counting(database, runtime), lambda: now) for _ in range(3)]
        allowed = 0
        for number in range(700):
            try:
                await processes[number % 3].count(tenant.id, {PER_MINUTE: 400})
                allowed += 1
            except TooManyRequests:
                pass
        return allowed

    allowed = platform.run(work())
    assert 400 - 3 * 20 <= allowed <= 400
    assert Counting.leases <= 400 // 20 + 3
