"""The inputs of an instance: written under its lock, rung for by an event, taken in by `advance` in their order."""

from typing import Any
from uuid import UUID

from sqlmodel import col, select

from riveredge_approvals.engine.advance import KINDS
from riveredge_approvals.events import INPUT_GIVEN, InstanceRef
from riveredge_approvals.models import ENDED, Input, Instance
from riveredge_sdk import current_tenant, publish, session


async def give(instance_id: UUID, kind: str, data: dict[str, Any]) -> bool:
    """Give an instance something to take in, in the running unit of work; False if it has ended or is gone."""
    query = select(Instance).where(col(Instance.id) == instance_id).with_for_update()
    instance = (await session().exec(query)).one_or_none()
    if instance is None or instance.status in ENDED:
        return False
    put(instance, kind, data)
    return True


def put(instance: Instance, kind: str, data: dict[str, Any]) -> None:
    """The same for whoever has locked the instance."""
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind of input")
    instance.inputs += 1
    session().add(Input(tenant_id=current_tenant(), instance_id=instance.id, seq=instance.inputs, kind=kind, data=data))
    publish(INPUT_GIVEN, InstanceRef(instance_id=instance.id, rev=instance.rev))
