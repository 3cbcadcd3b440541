"""Many requests at once, decisions at the first moment, new versions under way, an engine that forgets everything."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from sqlmodel import col, select

from riveredge_approvals.models import HistoryEntry
from riveredge_approvals.permissions import REQUEST_USE
from riveredge_sdk.context import Context, use_context
from riveredge_sdk.testing.platform import ApiClient, EngineControl, PlatformUnderTest, TestTenant
from riveredge_sdk.testing.plugin import AsUser
from riveredge_sdk.uow import unit_of_work

from .drawings import approver, flow, node, parallel
from .requests import API, FORM, Publish, decide, ended, submit, todo, user_of, wait

pytestmark = pytest.mark.database

# Here it is not about messages.
SILENT = {"notify": dict.fromkeys(("assigned", "reminded", "overdue", "finished"), False)}


def tasks_of(who: ApiClient, count: int) -> list[dict[str, Any]]:
    """All that somebody is asked, once there is so much."""

    def look() -> Any:
        items = who.get(f"{API}/tasks", params={"limit": 200}).json()["items"]
        return items if len(items) >= count else None

    found: list[dict[str, Any]] = wait(look, f"fewer than {count} tasks")
    return found


def status_of(who: ApiClient, request: dict[str, Any]) -> str:
    return str(who.get(f"{API}/instances/{request['id']}").json()["status"])


def test_a_decision_at_the_first_moment_is_not_lost(as_user: AsUser, published: Publish) -> None:
    li, wang = as_user({REQUEST_USE}), as_user({REQUEST_USE})
    names = [f"n{number}" for number in range(15)]
    request = submit(li, published(*(approver(name, user=user_of(wang)) for name in names), **SILENT))
    for name in names:
        # Nobody rests between the task's appearance and its decision.
        while not (found := [t for t in wang.get(f"{API}/tasks").json()["items"] if t["node"] == name]):
            assert status_of(li, request) == "running"
        assert decide(wang, found[0]).status_code == 200
    ended(li, request, "approved")


async def ends_told(context: Context) -> Counter[str]:
    """How often the history of each request tells of its end."""
    ends = col(HistoryEntry.kind).in_(["instance.approved", "instance.withdrawn"])
    with use_context(context):
        async with unit_of_work(read_only=True) as session:
            found = (await session.exec(select(HistoryEntry.instance_id).where(ends))).all()
    return Counter(map(str, found))


def test_withdrawing_races_with_approving_two_hundred_times(
    platform: PlatformUnderTest, tenant: TestTenant, as_user: AsUser, published: Publish
) -> None:
    li, wang = as_user({REQUEST_USE}), as_user({REQUEST_USE})
    process = published(approver("mgr", user=user_of(wang)), **SILENT)
    with ThreadPoolExecutor(8) as pool:
        requests = list(pool.map(lambda _: submit(li, process), range(200)))
        tasks = {task["instance_id"]: task for task in tasks_of(wang, 200)}
        races: list[Any] = []
        for request in requests:
            withdraw = partial(li.post, f"{API}/instances/{request['id']}/withdraw", json={})
            both = [pool.submit(withdraw), pool.submit(decide, wang, tasks[request["id"]])]
            races.append([each.result().status_code for each in both])
    # Whoever has withdrawn in time has; an approval that came first may still be withdrawn until it has its effect.
    assert {tuple(each) for each in races} <= {(200, 200), (200, 409), (409, 200)}
    expected = {
        request["id"]: "withdrawn" if withdrawn == 200 else "approved"
        for request, (withdrawn, _) in zip(requests, races, strict=True)
    }

    # All of them at once: two hundred questions a round would cost more than the races.
    def ends() -> bool:
        listed = li.get(f"{API}/instances", params={"limit": 200}).json()["items"]
        return {each["id"]: each["status"] for each in listed} == expected

    wait(ends, "they stand otherwise than was answered")
    assert platform.run(ends_told(platform.context(tenant))) == Counter(expected.keys())
    assert wang.get(f"{API}/tasks").json()["items"] == []


def test_what_runs_is_left_alone_by_a_new_version(client: ApiClient, as_user: AsUser, published: Publish) -> None:
    li, wang, boss = as_user({REQUEST_USE}), as_user({REQUEST_USE}), as_user({REQUEST_USE})
    first = approver("mgr", user=user_of(wang))
    key = published(first, **SILENT)
    with ThreadPoolExecutor(8) as pool:
        requests = list(pool.map(lambda _: submit(li, key), range(50)))
        tasks = tasks_of(wang, 50)
        url = next(f"{API}/processes/{p['id']}" for p in client.get(f"{API}/processes").json()["items"])
        deciding = [pool.submit(decide, wang, task) for task in tasks[:25]]
        revision = client.get(f"{url}/draft").json()["revision"]
        drawn = flow(first, approver("ceo", user=user_of(boss)), settings=SILENT)
        kept = client.put(f"{url}/draft", json={"revision": revision, "diagram": drawn, "form_schema": FORM}).json()
        made = client.post(f"{url}/publish", json={"revision": kept["revision"], "acknowledge": "all"})
        assert (made.status_code, made.json()["number"]) == (201, 2)
        new = submit(li, key)
        deciding += [pool.submit(decide, wang, task) for task in tasks[25:]]
        assert {each.result().status_code for each in deciding} == {200}
    for request in requests:
        ended(li, request, "approved")
    assert boss.get(f"{API}/tasks").json()["items"] == []
    assert decide(wang, todo(wang)).status_code == 200
    assert decide(boss, todo(boss, "ceo")).status_code == 200
    ended(li, new, "approved")


def test_an_engine_that_forgot_everything_leaves_no_request_behind(
    as_user: AsUser, published: Publish, engine: EngineControl
) -> None:
    li, wang, zhao = as_user({REQUEST_USE}), as_user({REQUEST_USE}), as_user({REQUEST_USE})
    process = published(
        approver("mgr", user=user_of(wang)),
        parallel("both", [approver("fin", user=user_of(zhao))], [node("pause", "delay", **{"for": "PT30M"})]),
        approver("last", user=user_of(wang)),
    )
    # One for each place where it can be: fresh, at the first decision, decided on one way, and at the last.
    requests = [submit(li, process) for _ in range(4)]
    engine.forget()
    tasks = tasks_of(wang, 4)
    for task in tasks[1:]:
        assert decide(wang, task).status_code == 200
    engine.forget()
    for task in tasks_of(zhao, 3)[1:]:
        assert decide(zhao, task).status_code == 200
    engine.forget()
    engine.advance(minutes=31)
    assert decide(wang, tasks[0]).status_code == 200
    engine.forget()
    for task in tasks_of(zhao, 2):
        assert decide(zhao, task).status_code == 200
    engine.platform.settle()
    engine.advance(minutes=31)
    for task in tasks_of(wang, 4):
        assert (task["node"], decide(wang, task).status_code) == ("last", 200)
        engine.forget()
    for request in requests:
        assert ended(li, request, "approved")["run_id"]
