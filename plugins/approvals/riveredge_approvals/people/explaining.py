"""Traces as sentences, in English and Chinese: why somebody is asked, or nobody is.

A line of a trace has a `code`, or a `step` where a task was handed on, and ids of those whom it is about. Names are
filled in when it is read, so that a trace shows what people are called by then.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias
from uuid import UUID

from riveredge_approvals.speech import Texts
from riveredge_sdk import get_service
from riveredge_sdk.features.people import PEOPLE

Line: TypeAlias = Mapping[str, Any]

_MENTION = re.compile(r"\{([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}")
_NOBODY: Final = {"en": "somebody", "zh-CN": "某人"}
# Lines that say whom a rule had found, before another came in that place.
_ABOUT: Final = frozenset({"proxy", "absent", "substitute_gone", "circle", "chain_too_long"})
# What the steps of the pipeline did to the whole roster, and is worth saying of it.
_OF_ROSTER: Final = _ABOUT | {"inactive"}

_SENTENCES: Final[Mapping[str, tuple[str, str]]] = {
    "inactive": ("{user} is no active member, and is left out.", "{user} 已不是有效成员，不参与处理。"),
    "proxy": ("{to} stands in for {user}.", "{to} 代理 {user}。"),
    "absent": ("{user} is absent, and nobody stands in.", "{user} 不在，也没有代理人。"),
    "substitute_gone": (
        "Who stands in for {user} is no active member; it stays with {user}.",
        "{user} 的代理人已不是有效成员，仍由 {user} 处理。",
    ),
    "circle": ("Those absent stand in for one another; it stays with {user}.", "代理人互相代理，停在 {user}。"),
    "chain_too_long": ("The chain of substitutes is too long; it stays with {user}.", "代理链过长，停在 {user}。"),
    "duplicate": ("{user} was found more than once, and is asked once.", "{user} 被多次选中，只需处理一次。"),
    "self_self": ("{user} submitted the request, and may decide on it here.", "{user} 是提交人，此节点允许本人处理。"),
    "self_skip": ("{user} submitted the request, and is left out.", "{user} 是提交人，自动跳过。"),
    "self_forbid": ("{user} submitted the request, and never decides on it here.", "{user} 是提交人，不得本人处理。"),
    "self_manager": (
        "{user} submitted the request; {to} decides as the manager above.",
        "{user} 是提交人，转由其上级主管 {to} 处理。",
    ),
    "self_department_head": (
        "{user} submitted the request; {to} decides as the head of the department above.",
        "{user} 是提交人，转由部门负责人 {to} 处理。",
    ),
    "self_nobody": (
        "{user} submitted the request, and nobody above could decide in that place.",
        "{user} 是提交人，上级中没有可以代为处理的人。",
    ),
    "repeat": (
        "{user} has approved on {node} already, and what was seen there is the same: not asked again.",
        "{user} 已在“{node}”同意，且所见内容没有变化，不再重复处理。",
    ),
    "repeat_changed": (
        "{user} has approved on {node} before, but what was seen there has changed since.",
        "{user} 曾在“{node}”同意，但所见内容此后有变化，需再次处理。",
    ),
    "lot": ("{user} was drawn by lot, among {people}.", "从 {people} 人中随机选出 {user}。"),
    "empty_users": (
        "Nobody was found; those are asked whom the step names for that.",
        "没有找到处理人，改由节点指定的人员处理。",
    ),
    "empty_admin": (
        "Nobody was found; the administrators of the process are asked.",
        "没有找到处理人，改由流程管理员处理。",
    ),
    "empty_tenant_admin": (
        "Nobody was found; the administrators of the organisation are asked.",
        "没有找到处理人，改由组织管理员处理。",
    ),
    "empty_approve": ("Nobody was found, and the step passes by itself.", "没有找到处理人，该节点自动通过。"),
    "empty_reject": ("Nobody was found, and the step rejects by itself.", "没有找到处理人，该节点自动拒绝。"),
    "empty_block": (
        "Nobody was found, and the step waits for an administrator to mend it.",
        "没有找到处理人，该节点等待管理员处理。",
    ),
    "left": ("{user}, who was asked before, has left.", "原处理人 {user} 已离开。"),
    "handed_over": ("It was taken over from {user}.", "从 {user} 处交接而来。"),
    "handed:handover": ("It was taken over from {by}.", "从 {by} 处交接而来。"),
    "handed:transfer": ("{by} handed the task on.", "由 {by} 转交。"),
    "handed:delegate": ("{by} asks for an opinion.", "由 {by} 委派，征求意见。"),
    "handed:added": ("{by} has this person asked, too.", "由 {by} 加签。"),
    "deadline:transfer": ("The time was over, and the task was handed on.", "已超时，任务自动转交。"),
    "deadline:escalate": ("The time was over, and the task went up.", "已超时，任务自动升级。"),
    "found_nobody": ("Nobody was found by the rule: {why}.", "按规则没有找到人：{why}。"),
    "found": ("{user}: {why}.", "{user}：{why}。"),
}


def explain(trace: Sequence[Line], assignee: UUID, names: Mapping[UUID, str], labels: Mapping[str, str]) -> list[Texts]:
    """Why somebody is asked, sentence by sentence.

    Args:
        trace: of a task, or a candidate.
        names: of the people it mentions (see `mentioned`); labels: of the nodes.
    """
    found: list[Texts] = []
    for number, line in enumerate(trace):
        if line.get("code") == "found":
            found.append(_say("found", {**line, "user": _found_by(trace[number + 1 :], assignee)}, names, labels))
        elif (key := _key(line)) in _SENTENCES:
            found.append(_say(key, line, names, labels))
    # What was merged says some things twice.
    return [each for number, each in enumerate(found) if each not in found[:number]]


def explain_roster(steps: Sequence[Line], names: Mapping[UUID, str], labels: Mapping[str, str]) -> list[Texts]:
    """What happened when people were sought for a node: rules that found nobody, who was left out, and what then."""
    found: list[Texts] = []
    for step in steps:
        for line in step.get("lines", ()):
            code = str(line.get("code"))
            if code == "found" and not line.get("users"):
                found.append(_say("found_nobody", line, names, labels))
            elif code in _OF_ROSTER or code.startswith(("self_", "empty_")):
                found.append(_say(code, line, names, labels))
    return found


def mentioned(*traces: Iterable[Line]) -> set[UUID]:
    """Whom traces are about: for whom names are needed."""
    found: set[str] = set()
    for trace in traces:
        for line in trace:
            found |= {str(line[part]) for part in ("user", "to", "by") if line.get(part)}
            for text in (line.get("why", ""), *line.get("texts", {}).values()):
                found |= set(_MENTION.findall(text))
            found |= {str(user) for user in mentioned(line.get("lines", ()))}
    return {UUID(each) for each in found}


async def names_of(users: Iterable[UUID]) -> dict[UUID, str]:
    """What people are called; those who are no members any more are left out."""
    wanted = list(dict.fromkeys(users))
    return {user: person.name for user, person in (await get_service(PEOPLE).find(wanted)).items()} if wanted else {}


def _found_by(rest: Sequence[Line], assignee: UUID) -> str:
    """Whom a rule had found, before another came in that place."""
    for line in rest:
        code = str(line.get("code"))
        if code == "found":
            break
        if code in _ABOUT or code.startswith("self_"):
            return str(line["user"])
    return str(assignee)


def _key(line: Line) -> str:
    if "step" in line:
        return f"{line['step']}:{line.get('how') or line.get('action')}"
    return str(line.get("code"))


def _say(key: str, line: Line, names: Mapping[UUID, str], labels: Mapping[str, str]) -> Texts:
    said: Texts = {}
    for language, sentence in zip(("en", "zh-CN"), _SENTENCES[key], strict=True):
        words = {part: _name(str(line[part]), names, language) for part in ("user", "to", "by") if line.get(part)}
        why = line.get("texts", {}).get(language) or line.get("why", "")
        words["why"] = _MENTION.sub(lambda found, tag=language: _name(found[1], names, tag), why)  # type: ignore[misc]
        words["people"] = str(line.get("people", ""))
        words["node"] = labels.get(str(line.get("node")), str(line.get("node", "")))
        said[language] = sentence.format_map(words)
    return said


def _name(user: str, names: Mapping[UUID, str], language: str) -> str:
    return names.get(UUID(user)) or _NOBODY[language]


__all__ = ["Texts", "explain", "explain_roster", "mentioned", "names_of"]
