"""How long requests wait, and how often too long."""

import pytest

from riveredge_approvals.permissions import REQUEST_USE
from riveredge_sdk.testing.platform import ApiClient, EngineControl, TestTenant
from riveredge_sdk.testing.plugin import AsUser

from .drawings import approver
from .requests import API, Publish, decide, submit, todo, user_of

HOUR = 3600


@pytest.mark.database
def test_bottlenecks_are_shown(
    client: ApiClient, as_user: AsUser, published: Publish, engine: EngineControl, other_tenant: TestTenant
) -> None:
    li, wang = as_user({REQUEST_USE}), as_user({REQUEST_USE})
    slow = {"after": "PT4H", "action": "none"}
    process = published(
        approver("quick", user=user_of(wang), label="Quick"), approver("slow", user=user_of(wang), timeout=slow)
    )
    for hours in (1, 2, 6):
        submit(li, process)
        assert decide(wang, todo(wang, "quick")).status_code == 200
        task = todo(wang, "slow")
        engine.advance(hours=hours)
        assert decide(wang, task).status_code == 200
    submit(li, process)
    todo(wang, "quick")
    found = client.get(f"{API}/processes", params={"limit": 200}).json()["items"]
    url = f"{API}/processes/{next(each['id'] for each in found if each['key'] == process)}/statistics"
    told = client.get(url).json()
    assert (told["whole"], [each["node"] for each in told["nodes"]]) == (True, ["slow", "quick"])
    first, second = told["nodes"]
    assert (first["decided"], first["waiting"], first["timed"], first["overdue"]) == (3, 0, 3, 1)
    assert (round(first["median_s"] / HOUR), round(first["p90_s"] / HOUR)) == (2, 6)
    assert round(first["overdue_share"], 2) == 0.33
    assert (second["label"], second["decided"], second["waiting"], second["overdue_share"]) == ("Quick", 3, 1, None)
    assert client.get(url, params={"days": 367}).status_code == 422
    assert wang.get(url).status_code == 403
    assert as_user({"approvals.instance.read"}, tenant=other_tenant).get(url).status_code == 404
