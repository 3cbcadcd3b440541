"""What cannot be done with requests and tasks, for clients to tell apart."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from riveredge_approvals.engine.undoing import Since
from riveredge_sdk.problems import Conflict, FieldError, Forbidden, Invalid

_SINCE = {
    "decided": "somebody has decided on {node!r}",
    "acted": "somebody has acted on {node!r}",
    "effect": "what {node!r} does has begun",
    "request": "a request was started on {node!r}",
    "moved": "it has gone on from {node!r} another way",
    "resubmitted": "it was submitted again",
    "undone": "what {node!r} did was undone",
    "cancelled": "what {node!r} was about was cancelled with it",
    "ended": "the request is not running any more",
}
_SAID = 5


class TaskClosed(Conflict):
    """Somebody, or something, was faster. The document says who, when and how."""

    code, title = "task-closed", "The task is closed"

    def __init__(self, *, by: UUID | None, at: datetime | None, outcome: str, reason: str | None = None) -> None:
        super().__init__(
            f"This task is {outcome} already." if reason is None else f"This task is {outcome} already ({reason}).",
            extensions={
                "by": str(by) if by is not None else None,
                "at": at.isoformat() if at is not None else None,
                "outcome": outcome,
                "reason": reason,
            },
        )


class NotAssignee(Forbidden):
    code, title = "not-assignee", "This task is somebody else's"


class SelfApprovalForbidden(Forbidden):
    code, title = "self-approval-forbidden", "Nobody decides on her own request here"


class DrawingInvalid(Invalid):
    """A drawing has errors; `issues` are all that validation has found."""

    code, title = "drawing-invalid", "The drawing has errors"

    def __init__(self, issues: Sequence[Mapping[str, Any]], errors: int) -> None:
        super().__init__(
            f"It cannot be published: {_shortly(issues, errors)}", errors=_at(issues), extensions={"issues": issues}
        )


class WarningsNotAcknowledged(Invalid):
    """A drawing has warnings; `issues` are those, `codes` what to send as `acknowledge`."""

    code, title = "warnings-not-acknowledged", "The drawing has warnings"

    def __init__(self, issues: Sequence[Mapping[str, Any]]) -> None:
        codes = sorted({each["code"] for each in issues})
        super().__init__(
            f"{_shortly(issues, len(issues))} Publish it with acknowledge: {', '.join(codes)}, or all.",
            errors=[FieldError("acknowledge", f"Look at {code}, then name it here.", "required") for code in codes],
            extensions={"issues": issues, "codes": codes},
        )


def _shortly(issues: Sequence[Mapping[str, Any]], count: int) -> str:
    first = issues[0]
    where = first["node"] or first["edge"]
    return f"{f'{where}: ' if where else ''}{first['message']}{f' And {count - 1} more.' if count > 1 else ''}"


def _at(issues: Sequence[Mapping[str, Any]]) -> list[FieldError]:
    return [
        FieldError(
            f"diagram.nodes.{each['node']}"
            if each["node"]
            else f"diagram.edges.{each['edge']}"
            if each["edge"]
            else "diagram",
            each["message"],
            each["code"],
        )
        for each in issues
        if each["severity"] == "error"
    ]


class ReturnTargetInvalid(Invalid):
    code, title = "return-target-invalid", "It cannot go back there"

    def __init__(self, target: str, allowed: list[str]) -> None:
        where = f"It can be: {', '.join(allowed)}." if allowed else "From here it cannot be returned at all."
        super().__init__(
            f"{target!r} is no node to which this task can be returned. {where}",
            errors=[FieldError("to", where, "unknown")],
            extensions={"allowed": allowed},
        )


class AlreadyOnRoster(Conflict):
    code, title = "already-on-roster", "She is asked already"


class WithdrawTooLate(Conflict):
    code, title = "withdraw-too-late", "It is too late to withdraw this"


class RecallTooLate(Conflict):
    """Somebody, or something, has acted on the decision. The document says in `since` what has happened."""

    code, title = "recall-too-late", "It is too late to take this back"

    def __init__(self, since: Sequence[Since]) -> None:
        said = "; ".join(_SINCE[each.what].format(node=each.node) for each in since[:_SAID])
        super().__init__(
            f"The decision stays: {said}.",
            extensions={
                "since": [
                    {
                        "what": each.what,
                        "node": each.node,
                        "by": str(each.by) if each.by is not None else None,
                        "at": each.at.isoformat() if each.at is not None else None,
                    }
                    for each in since
                ]
            },
        )


class ReasonRequired(Invalid):
    code, title = "reason-required", "Say why"

    def __init__(self) -> None:
        super().__init__(
            "A comment is needed for this decision.", errors=[FieldError("comment", "Say why.", "required")]
        )


class ChoiceRequired(Invalid):
    """Whoever decides has to say who decides on a later node. `choices` says for which."""

    code, title = "choice-required", "Choose who is next"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("With this approval it is chosen who decides next.", errors=list(errors))


class SignatureRequired(Invalid):
    code, title = "signature-required", "A signature is needed"

    def __init__(self, kind: str, *, purpose: str | None = None, content_hash: str | None = None) -> None:
        message = f"This decision needs a signature ({kind})."
        if purpose is not None:
            message += " POST /api/v1/auth/tickets with this purpose and content_hash, and come again with the ticket."
        said = {"signature": kind, "purpose": purpose, "content_hash": content_hash}
        super().__init__(
            message,
            errors=[FieldError("signature", message, "required")],
            extensions={name: value for name, value in said.items() if value is not None},
        )


class VersionArchived(Conflict):
    code, title = "version-archived", "This process takes no new requests"


class NotAllowedHere(Conflict):
    """The node does not allow it, or the instance is not in a state for it."""

    code, title = "not-allowed-here", "That cannot be done here"
