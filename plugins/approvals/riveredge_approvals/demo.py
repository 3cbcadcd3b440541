"""A purchase for the demo: a published process, and a request of it that waits for the head of the department."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from riveredge_approvals.instances.starting import department_of, published
from riveredge_approvals.instances.submitting import create
from riveredge_approvals.processes import service
from riveredge_approvals.processes.schemas import DraftIn, ProcessIn, PublishIn
from riveredge_sdk import find_service
from riveredge_sdk.features.directory import DIRECTORY

FORM: dict[str, Any] = {
    "properties": {
        "item": {"type": "string", "title": "What 物品", "minLength": 1},
        "amount": {"type": "number", "title": "Amount 金额", "minimum": 0},
    },
    "required": ["item", "amount"],
}


async def fill(people: Mapping[str, UUID]) -> None:
    """The process and the request, with those of the demo's people who are there."""
    if not {"lin", "max", "wei"} <= people.keys():
        return
    about = ProcessIn(key="purchase", title="Purchase 采购申请", description="Above 5,000 finance decides, too.")
    process = await service.create(about)
    drawn = await service.write_draft(
        process, DraftIn(revision=process.draft_rev, diagram=_drawing(people), form_schema=FORM)
    )
    await service.publish(process, PublishIn(revision=drawn.revision, acknowledge=[]))
    wei = people["wei"]
    await create(
        await published(process.key),
        {"item": "Two monitors 两台显示器", "amount": 7200},
        submitter=wei,
        actor=wei,
        department=await department_of(wei, None),
    )


def _drawing(people: Mapping[str, UUID]) -> dict[str, Any]:
    """Her manager, finance for what is dear, and the head of the department is told."""
    head: dict[str, Any] = {"type": "user", "value": str(people["lin"])}
    if find_service(DIRECTORY) is not None:
        head = {"type": "department_head", "of": "initiator", "level": 1}
    finance = {"type": "user", "value": str(people["max"])}
    dear = {"match": "all", "conditions": [{"field": "form.amount", "op": "gt", "value": 5000}]}
    return {
        "schema": "flow/1",
        "settings": {"title": "{form.item}", "summary": ["amount"]},
        "nodes": [
            _node("start", "start", 0, "Start 发起"),
            _node("head", "approver", 1, "Head of department 部门负责人", assignees=[head], allow=_ALLOW),
            _node("size", "condition", 2, "Dear? 金额判断"),
            _node("finance", "approver", 3, "Finance 财务", assignees=[finance], allow=_ALLOW),
            _node("told", "cc", 4, "Told 抄送", recipients=[head]),
            _node("end", "end", 5, "End 结束"),
        ],
        "edges": [
            {"id": "e1", "source": "start", "target": "head"},
            {"id": "e2", "source": "head", "target": "size"},
            {"id": "e3", "source": "size", "target": "finance", "label": "> 5,000", "data": {"order": 1, "when": dear}},
            {"id": "e4", "source": "size", "target": "told", "data": {"order": 2, "default": True}},
            {"id": "e5", "source": "finance", "target": "told"},
            {"id": "e6", "source": "told", "target": "end"},
        ],
    }


_ALLOW = ["transfer", "delegate", "add_sign", "remove_sign", "return", "recall"]


def _node(name: str, kind: str, row: int, label: str, **data: Any) -> dict[str, Any]:
    return {"id": name, "type": kind, "position": {"x": 0, "y": row * 128}, "data": {"label": label, **data}}
