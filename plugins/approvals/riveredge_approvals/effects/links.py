"""Links that are given out once, for one thing: to decide from a mail, or to call back.

A link says which organisation and which row it is about, and proves it by a secret that only the row has besides. What
lies there is sealed.
"""

import base64
import hmac
import secrets
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlmodel import col

from riveredge_approvals.models import Link, Task
from riveredge_sdk import Repository, current_tenant, utcnow
from riveredge_sdk.secrets import UnreadableSecretError, seal, unseal

Purpose = Literal["decide", "callback"]
_SECRET = 16


class Links(Repository[Link]):
    """Access to links."""

    model = Link


async def give_out(
    purpose: Purpose,
    *,
    instance_id: UUID,
    visit_id: UUID,
    expires_at: datetime,
    task: Task | None = None,
    round_: int = 0,
) -> str:
    """The token of a link for a visit, or for one person's task on it; the same one if it was given out before."""
    task_id, user_id = (task.id, task.assignee_id) if task is not None else (None, None)
    row = await Links().find(
        col(Link.visit_id) == visit_id,
        col(Link.purpose) == purpose,
        col(Link.round) == round_,
        col(Link.task_id).is_not_distinct_from(task_id),
        col(Link.user_id).is_not_distinct_from(user_id),
    )
    if row is None:
        row = await Links().add(
            Link(
                purpose=purpose,
                instance_id=instance_id,
                visit_id=visit_id,
                task_id=task_id,
                user_id=user_id,
                round=round_,
                secret=seal(secrets.token_hex(_SECRET)),
                expires_at=expires_at,
            )
        )
    raw = current_tenant().bytes + row.id.bytes + bytes.fromhex(unseal(row.secret))
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def tenant_of(token: str) -> UUID | None:
    """The organisation that a token names; nothing is proven by that."""
    raw = _bytes(token)
    return UUID(bytes=raw[:16]) if raw is not None else None


async def read(token: str, purpose: Purpose) -> Link | None:
    """The link that a token is of, if it was given out for this and holds still."""
    raw = _bytes(token)
    if raw is None or raw[:16] != current_tenant().bytes:
        return None
    row = await Links().find(col(Link.id) == UUID(bytes=raw[16:32]), col(Link.purpose) == purpose)
    if row is None or row.expires_at <= utcnow():
        return None
    try:
        secret = bytes.fromhex(unseal(row.secret))
    except UnreadableSecretError:
        return None
    return row if hmac.compare_digest(raw[32:], secret) else None


def _bytes(token: str) -> bytes | None:
    if len(token) != 64 or not token.isascii():
        return None
    try:
        return base64.urlsafe_b64decode(token)
    except ValueError:
        return None
