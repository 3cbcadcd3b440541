"""`/api/v1/approvals/usages` and `/processes/startable`: processes by what they name, and by who may start them."""

from typing import Annotated

from fastapi import Query
from sqlmodel import col, select

from riveredge_approvals.engine.store import flow_of_version
from riveredge_approvals.instances.starting import is_one_of
from riveredge_approvals.ir.document import CompiledFlow, HumanNode, StartNode, Who
from riveredge_approvals.models import Process, ProcessVersion
from riveredge_approvals.permissions import PROCESS_READ, REQUEST_USE
from riveredge_approvals.processes.usage_schemas import NEEDS, ChoiceOut, StartableOut, UsageOut, UsageQuery
from riveredge_approvals.processes.usages import find_usages
from riveredge_sdk import Router, current_principal, session
from riveredge_sdk.problems import invalid_field

router = Router(tag="Approvals: processes")


@router.get("/usages", require=PROCESS_READ, summary="Which processes use a role, a user, a connection, …")
async def list_usages(query: Annotated[UsageQuery, Query()]) -> list[UsageOut]:
    asked = query.model_dump(exclude_none=True)
    if len(asked) != 1:
        raise invalid_field("query", "Ask about one thing: role=…, user=…, group=…, connection=…, …", "one_of")
    ((kind, name),) = asked.items()
    return await find_usages(NEEDS[kind], name)


@router.get("/processes/startable", require=REQUEST_USE, summary="What one may start, with its form")
async def list_startable() -> list[StartableOut]:
    rows = await session().exec(
        select(Process, ProcessVersion)
        .join(ProcessVersion, col(ProcessVersion.process_id) == col(Process.id))
        .where(col(ProcessVersion.number) == col(Process.published), col(Process.archived_at).is_(None))
        .order_by(col(Process.category), col(Process.title))
    )
    me, known = current_principal().id, dict[Who, bool]()
    found = []
    for process, version in rows.all():
        flow = flow_of_version(version)
        for who in flow.settings.start:
            if who not in known:
                known[who] = await is_one_of(who, me)
        if any(known[who] for who in flow.settings.start):
            found.append(_startable(process, version, flow))
    return found


def _startable(process: Process, version: ProcessVersion, flow: CompiledFlow) -> StartableOut:
    start = flow.nodes[flow.entry]
    choices = [
        ChoiceOut(
            node=name,
            label=node.label,
            among=[{"type": each["type"], "value": each["value"]} for each in selector.config.get("from") or ()],
            min=selector.config.get("min", 1),
            max=selector.config.get("max", 20),
        )
        for name, node in flow.nodes.items()
        if isinstance(node, HumanNode)
        for selector in node.roster
        if selector.resolver == "initiator_choice"
    ]
    return StartableOut(
        key=process.key,
        title=process.title,
        description=process.description,
        category=process.category,
        icon=process.icon,
        version=version.number,
        form_schema=version.form_schema,
        fields=dict(start.fields) if isinstance(start, StartNode) else {},
        choices=choices,
    )
