"""What the plugin holds about a person.

A decision is a record of the organisation, and the chain of a request's history covers who did what: the ids in tasks,
decisions and histories stay, and name nobody once the person is erased. What somebody said, copies, substitutes and
links go, or lose their author.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import delete, or_, update
from sqlmodel import col, select

from riveredge_approvals.files.models import StoredFile
from riveredge_approvals.models import (
    CarbonCopy,
    Comment,
    Decision,
    Delegation,
    FormRevision,
    Instance,
    Link,
    ProcessVersion,
    Task,
)
from riveredge_approvals.people.handover_models import Handover
from riveredge_sdk import session


async def export(user_id: UUID) -> dict[str, Any] | None:
    """Requests, tasks, decisions, comments, copies, substitutes and handovers of a person, as JSON."""
    instances = await _rows(Instance, col(Instance.submitter_id) == user_id)
    tasks = await _rows(Task, col(Task.assignee_id) == user_id)
    decisions = await _rows(Decision, col(Decision.decided_by) == user_id)
    comments = await _rows(Comment, col(Comment.author_id) == user_id)
    copies = await _rows(CarbonCopy, col(CarbonCopy.user_id) == user_id)
    delegations = await _rows(
        Delegation, or_(col(Delegation.user_id) == user_id, col(Delegation.substitute_id) == user_id)
    )
    handovers = await _rows(Handover, or_(col(Handover.user_id) == user_id, col(Handover.to_id) == user_id))
    files = await _rows(StoredFile, col(StoredFile.uploaded_by) == user_id)
    found: dict[str, Any] = {
        "requests": [
            _some(row, "number", "title", "status", "form", "submitted_at", "finished_at") for row in instances
        ],
        "tasks": [_some(row, "instance_id", "node", "origin", "state", "opened_at", "closed_at") for row in tasks],
        "decisions": [_some(row, "task_id", "outcome", "comment", "signature", "via", "at") for row in decisions],
        "comments": [_some(row, "instance_id", "text", "attachments", "created_at") for row in comments],
        "files": [_some(row, "id", "name", "media_type", "size", "instance_id", "created_at") for row in files],
        "copies": [_some(row, "instance_id", "node", "read_at", "created_at") for row in copies],
        "delegations": [
            _some(row, "user_id", "substitute_id", "starts_at", "ends_at", "reason") for row in delegations
        ],
        "handovers": [_some(row, "user_id", "to_id", "reason", "created_at") for row in handovers],
    }
    return found if any(found.values()) else None


async def erase(user_id: UUID) -> int:
    """Erase or anonymise; the number of rows it touched."""
    count = 0
    for gone in (
        delete(CarbonCopy).where(col(CarbonCopy.user_id) == user_id),
        delete(StoredFile).where(col(StoredFile.uploaded_by) == user_id, col(StoredFile.instance_id).is_(None)),
        update(StoredFile).where(col(StoredFile.uploaded_by) == user_id).values(uploaded_by=None),
        delete(Link).where(col(Link.user_id) == user_id),
        delete(Delegation).where(or_(col(Delegation.user_id) == user_id, col(Delegation.substitute_id) == user_id)),
        update(Comment).where(col(Comment.author_id) == user_id).values(author_id=None),
        update(CarbonCopy).where(col(CarbonCopy.sent_by) == user_id).values(sent_by=None),
        update(FormRevision).where(col(FormRevision.changed_by) == user_id).values(changed_by=None),
        # What was said of the person's leaving.
        update(Handover).where(col(Handover.user_id) == user_id).values(reason=""),
        update(Handover).where(col(Handover.started_by) == user_id).values(started_by=None),
        update(ProcessVersion).where(col(ProcessVersion.published_by) == user_id).values(published_by=None),
        # Signatures are pictures or names of the person.
        update(Decision).where(col(Decision.decided_by) == user_id).values(signature=None),
    ):
        count += (await session().exec(gone)).rowcount
    # The title that a request has by default names its submitter.
    for instance in await _rows(Instance, col(Instance.submitter_id) == user_id):
        if instance.title != instance.number:
            instance.title = instance.number
            count += 1
    for comment in await _rows(Comment):
        if str(user_id) in comment.mentions:
            comment.mentions = [each for each in comment.mentions if each != str(user_id)]
            count += 1
    return count


async def _rows(model: Any, *where: Any) -> list[Any]:
    return list((await session().exec(select(model).where(*where))).all())


def _some(row: Any, *names: str) -> dict[str, Any]:
    """Some of a row's columns, as JSON."""
    shown = row.model_dump(mode="json", include=set(names))
    return {name: shown[name] for name in names}
