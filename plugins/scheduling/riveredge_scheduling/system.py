"""Schedules that plugins bring: every organisation has them, and may pause them, and nothing else."""

from collections.abc import Mapping
from typing import Any

import structlog
from sqlmodel import col

from riveredge_scheduling import service
from riveredge_scheduling.catalog import actions, read_params
from riveredge_scheduling.models import SYSTEM, ScheduledTask
from riveredge_scheduling.planning import plan_of
from riveredge_scheduling.repository import Tasks
from riveredge_scheduling.triggers import CronTrigger, write_trigger
from riveredge_scheduling.zones import rules_version
from riveredge_sdk import Plugin, contributions, current_context, current_tenant, unit_of_work, utcnow
from riveredge_sdk.features.scheduling import SystemSchedule
from riveredge_sdk.problems import Problem
from riveredge_sdk.timers import NotServedError, served_tenants, serving

log = structlog.get_logger(__name__)


async def follow_plugins() -> int:
    """`follow` for every organisation, for those that were there before a plugin's release. Runs without a tenant."""
    changed = 0
    failures: list[Exception] = []
    for tenant_id in await served_tenants("scheduling"):
        try:
            async with serving(tenant_id, "scheduling"), unit_of_work():
                changed += await follow()
        except NotServedError:
            continue
        except Exception as error:
            log.exception("system_schedules_failed", tenant=str(tenant_id))
            failures.append(error)
    if failures:
        raise failures[0]
    return changed


async def follow() -> int:
    """Give the organisation what its plugins bring, and take away what they no longer bring; how much changed.

    Happens in the running unit of work.
    """
    wanted = {f"{SYSTEM}{each.id}": each for each in contributions(Plugin.system_schedules)}
    there = {task.key: task for task in await Tasks().all(col(ScheduledTask.key).startswith(SYSTEM))}
    for key, task in there.items():
        if key not in wanted:
            await Tasks().delete(task)
    changed = len(there.keys() - wanted.keys())
    for key, spec in wanted.items():
        values = _values(spec)
        if values is not None:
            changed += await _put(key, there.get(key), values)
    return changed


def _values(spec: SystemSchedule) -> Mapping[str, Any] | None:
    """The columns; None if the schedule cannot be run, which is its plugin's mistake."""
    action = actions().get(spec.action)
    try:
        if action is None or action.permission is not None:
            raise ValueError("its action is not there, or needs a permission that nobody gives it")
        params = read_params(action, spec.params).model_dump(mode="json", exclude_unset=True)
        trigger = write_trigger(CronTrigger(expression=spec.cron))
    except (ValueError, Problem) as error:
        log.error("system_schedule_refused", schedule=spec.id, error=str(error)[:300])
        return None
    return {
        "title": spec.title,
        "description": spec.description,
        "action": spec.action,
        "params": params,
        "trigger": trigger,
        "zone": current_context().timezone,
    }


async def _put(key: str, task: ScheduledTask | None, values: Mapping[str, Any]) -> int:
    if task is None:
        made = ScheduledTask(
            **values,
            key=key,
            tenant_id=current_tenant(),
            trigger_kind="cron",
            rules=rules_version(),
        )
        await service.start(made, plan_of(made, None), utcnow())
        await Tasks().add(made)
        return 1
    if all(getattr(task, name) == value for name, value in values.items()):
        return 0
    await Tasks().change(task, values)
    await service.replan(task)
    return 1
