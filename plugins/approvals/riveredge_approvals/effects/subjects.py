"""The records that are approved: what they say when they are submitted, and what they are told."""

from collections.abc import Mapping
from typing import Any

from riveredge_sdk import Plugin, Subject, contributions
from riveredge_sdk.features.approvals import ApprovalSubject, Request
from riveredge_sdk.problems import invalid_field


def find_subject(type_: str | None) -> ApprovalSubject | None:
    """The kind of record, if its plugin is on for the tenant."""
    return next((each for each in contributions(Plugin.approval_subjects) if each.type == type_), None)


async def facts(subject: Subject, known: Mapping[str, Any]) -> dict[str, Any]:
    """What the record says of the form's fields. It counts more than what its submitter says.

    Args:
        known: the properties of the form's schema.

    Raises:
        Invalid: no plugin knows such records.
        NotFound, Conflict: the record is not there for the submitter, or cannot be submitted as it stands.
    """
    kind = find_subject(subject.type)
    if kind is None:
        raise invalid_field("subject.type", f"Nothing here knows records of the type {subject.type!r}.", "unknown")
    info = await kind.describe(str(subject.id))
    return {name: value for name, value in info.form.items() if name in known}


async def submitted(request: Request) -> None:
    """The record is on its way. In the unit of work that submits it."""
    kind = find_subject(request.subject.type if request.subject is not None else None)
    if kind is not None:
        await kind.on_submitted(request)


async def revoked(request: Request) -> None:
    """An approval is taken back. In the unit of work that does it.

    Raises:
        Conflict: what was approved has been used already.
    """
    kind = find_subject(request.subject.type if request.subject is not None else None)
    if kind is not None:
        await kind.on_revoke(request)
