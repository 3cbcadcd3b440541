"""Whose rights a schedule runs with, and what happens when they, or its action, are not what they were."""

from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import update
from sqlmodel import col

from riveredge_kernel.auth.models import Membership
from riveredge_kernel.testing import ThreadedPlatform
from riveredge_scheduling.models import ScheduledTask
from riveredge_sdk.context import use_context
from riveredge_sdk.testing.platform import ApiClient, EngineControl, TestTenant
from riveredge_sdk.testing.plugin import AsUser

from .conftest import TASKS, History, Make, inbox, states
from .lab import LAB, USE

pytestmark = [pytest.mark.database, pytest.mark.usefixtures("early_in_a_minute")]

MINUTELY = {"kind": "cron", "expression": "* * * * *"}


def test_whoever_leaves_takes_their_schedules_rights_along(  # noqa: PLR0917
    client: ApiClient, platform: ThreadedPlatform, as_user: AsUser, make: Make, history: History, engine: EngineControl
) -> None:
    assert client.user is not None
    owner = as_user({"scheduling.task.write", "scheduling.task.read", USE})
    assert owner.user is not None
    task = make(by=owner, action="lab.work", trigger=MINUTELY, alarm_to=[str(client.user.id)])
    leaver: UUID = owner.user.id

    async def leave() -> None:
        async with platform.platform.database.system("test", platform.platform.runtime) as session:
            await session.exec(update(Membership).where(col(Membership.user_id) == leaver).values(active=False))
        platform.platform.auth.grants.invalidate()

    platform.run(leave())
    engine.advance(minutes=2)
    read = client.get(f"{TASKS}/{task['id']}").json()
    assert (read["status"], read["pause_reason"]) == ("paused", "owner")
    first = history.all(task)[0]
    assert (first["state"], first["reason"], first["why"]) == (
        "failed",
        "no_owner",
        "Its owner is no active member any more.",
    )
    assert LAB.runs[task["key"]] == []
    assert inbox(client, "Paused") == ["Paused: A task"]
    assert client.post(f"{TASKS}/{task['id']}/resume").status_code == 409


def test_a_schedule_runs_as_its_owner(client: ApiClient, as_user: AsUser, make: Make, history: History) -> None:
    owner = as_user({"scheduling.task.write", "scheduling.task.read", USE})
    assert owner.user is not None
    task = make(by=owner, action="lab.work")
    client.post(f"{TASKS}/{task['id']}/run", json={})
    history.ended(task, 1)
    assert [f"{name}@example.com" for name in LAB.owners[task["key"]]] == [owner.user.email]


def test_parameters_that_fit_no_more_fail_their_schedule_alone(
    make: Make, history: History, platform: ThreadedPlatform, engine: EngineControl
) -> None:
    """As after an update of the action's plugin."""
    good = make(trigger=MINUTELY)
    bad = [make(trigger=MINUTELY, action=action) for action in ("lab.light", "lab.work")]

    async def spoil() -> None:
        async with platform.platform.database.system("test", platform.platform.runtime) as session:
            ids = [UUID(task["id"]) for task in bad]
            await session.exec(update(ScheduledTask).where(col(ScheduledTask.id).in_(ids)).values(params={"old": 1}))

    platform.run(spoil())
    engine.advance(minutes=2)
    assert set(states([item for item in history.all(good) if item["finished_at"]])) == {"succeeded"}
    for task in bad:
        failed = [item for item in history.all(task) if item["finished_at"]]
        assert {(item["state"], item["reason"], item["attempt"]) for item in failed} == {("failed", "bad_params", 1)}
        assert "params.old" in failed[0]["why"]


def test_erasing_a_person_leaves_their_schedules_without_owner(
    client: ApiClient, make: Make, platform: ThreadedPlatform, tenant: TestTenant
) -> None:
    from riveredge_scheduling import plugin
    from riveredge_sdk import unit_of_work

    assert client.user is not None
    user_id = client.user.id
    task = make(alarm_to=[str(user_id)])

    async def erase() -> int:
        with use_context(platform.context(tenant)):
            async with unit_of_work():
                held_data = await plugin.export_personal_data(user_id)
                assert held_data["schedules"] == [{"key": task["key"], "title": "A task"}]
                return await plugin.erase_personal_data(user_id)

    assert platform.run(erase()) >= 2
    read = client.get(f"{TASKS}/{task['id']}").json()
    assert (read["owner_id"], read["alarm_to"]) == (None, [])


def test_a_service_account_owns_what_it_makes(client: ApiClient, history: History) -> None:
    """It comes with an API key, and its schedules run with its own permissions."""
    permissions = ["scheduling.task.read", "scheduling.task.write", USE]
    role = client.post("/api/v1/roles", json={"key": "robots", "title": "Robots", "permissions": permissions}).json()
    robot = client.post("/api/v1/service-accounts", json={"name": "Robot", "roles": [role["key"]]})
    assert robot.status_code == 201, robot.text
    keys = f"/api/v1/service-accounts/{robot.json()['id']}/api-keys"
    key = client.post(keys, json={"name": "Key", "permissions": permissions})
    assert key.status_code == 201, key.text
    with httpx2.Client(base_url=client.base_url, headers={"Authorization": f"Bearer {key.json()['key']}"}) as program:
        trigger = {"kind": "cron", "expression": "0 0 1 1 *"}
        body = {"key": f"robot-{uuid4()}", "title": "A robot's", "action": "lab.work", "trigger": trigger}
        made = program.post(TASKS, json=body)
    assert made.status_code == 201, made.text
    task = made.json()
    assert task["owner_id"] == robot.json()["id"]
    client.post(f"{TASKS}/{task['id']}/run", json={})
    (fire,) = history.ended(task, 1)
    assert (fire["state"], LAB.owners[task["key"]]) == ("succeeded", ["Robot"])
