"""What cannot be done with requests and tasks, for clients to tell apart."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from riveredge_approvals.engine.undoing import Since
from riveredge_approvals.speech import told
from riveredge_sdk.problems import Conflict, FieldError, Forbidden, Invalid

_SINCE = {
    "decided": ("somebody has decided on {node!r}", "节点 {node} 已有人处理"),
    "acted": ("somebody has acted on {node!r}", "节点 {node} 已有人操作"),
    "effect": ("what {node!r} does has begun", "节点 {node} 的操作已开始"),
    "request": ("a request was started on {node!r}", "节点 {node} 已发起子流程"),
    "moved": ("it has gone on from {node!r} another way", "已从节点 {node} 另行流转"),
    "resubmitted": ("it was submitted again", "已重新提交"),
    "undone": ("what {node!r} did was undone", "节点 {node} 的操作已撤销"),
    "cancelled": ("what {node!r} was about was cancelled with it", "节点 {node} 已一并取消"),
    "ended": ("the request is not running any more", "申请已不在流转中"),
}
_SAID = 5


class TaskClosed(Conflict):
    """Somebody, or something, was faster. The document says who, when and how."""

    code, title = "task-closed", "The task is closed"

    def __init__(self, *, by: UUID | None, at: datetime | None, outcome: str, reason: str | None = None) -> None:
        why = "" if reason is None else f" ({reason})"
        super().__init__(
            told(f"This task is {outcome} already{why}.", f"任务的状态已为 {outcome}{why}。"),
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
            told("It cannot be published: ", "不能发布：") + _shortly(issues, errors),
            errors=_at(issues),
            extensions={"issues": issues},
        )


class WarningsNotAcknowledged(Invalid):
    """A drawing has warnings; `issues` are those, `codes` what to send as `acknowledge`."""

    code, title = "warnings-not-acknowledged", "The drawing has warnings"

    def __init__(self, issues: Sequence[Mapping[str, Any]]) -> None:
        codes = sorted({each["code"] for each in issues})
        super().__init__(
            _shortly(issues, len(issues))
            + told(
                f" Publish it with acknowledge: {', '.join(codes)}, or all.",
                f"发布时请填写 acknowledge：{', '.join(codes)}，或 all。",
            ),
            errors=[
                FieldError(
                    "acknowledge", told(f"Look at {code}, then name it here.", f"请查看并填写 {code}。"), "required"
                )
                for code in codes
            ],
            extensions={"issues": issues, "codes": codes},
        )


def _shortly(issues: Sequence[Mapping[str, Any]], count: int) -> str:
    first = issues[0]
    where = first["node"] or first["edge"]
    return f"{f'{where}: ' if where else ''}{first['message']}{_more(count - 1)}"


def _more(count: int) -> str:
    return told(f" And {count} more.", f"另有 {count} 项。") if count else ""


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
        where = told("From here it cannot be returned at all.", "此处不能退回。")
        if allowed:
            where = told(f"It can be: {', '.join(allowed)}.", f"可以退回到：{', '.join(allowed)}。")
        super().__init__(
            told(f"{target!r} is no node to which this task can be returned. ", f"不能退回到 {target}。") + where,
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
        english, chinese = (
            "; ".join(_SINCE[each.what][language].format(node=each.node) for each in since[:_SAID])
            for language in (0, 1)
        )
        super().__init__(
            told(f"The decision stays: {english}.", f"不能拿回：{chinese}。"),
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
            told("A comment is needed for this decision.", "请填写意见。"),
            errors=[FieldError("comment", told("Say why.", "请说明理由。"), "required")],
        )


class ChoiceRequired(Invalid):
    """Whoever decides has to say who decides on a later node. `choices` says for which."""

    code, title = "choice-required", "Choose who is next"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        message = told("With this approval it is chosen who decides next.", "同意时需选择下一步处理人。")
        super().__init__(message, errors=list(errors))


class SignatureRequired(Invalid):
    code, title = "signature-required", "A signature is needed"

    def __init__(self, kind: str, *, purpose: str | None = None, content_hash: str | None = None) -> None:
        message = told(f"This decision needs a signature ({kind}).", f"此处理需要签名（{kind}）。")
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
