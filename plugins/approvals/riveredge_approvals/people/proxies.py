"""Absence: who stands in for whom, over several hops."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from riveredge_approvals.people.staff import Staff
from riveredge_approvals.speech import Texts

# A substitute may be absent, too; so many times it is asked who stands in for her.
MAX_HOPS = 5


@dataclass(slots=True)
class StandIn:
    """Who comes in somebody's place: she herself, if she is there."""

    user_id: UUID
    visited: list[UUID]
    lines: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[Texts] = field(default_factory=list)


async def stand_ins(staff: Staff, users: Sequence[UUID], process: str) -> dict[UUID, StandIn]:
    """Who comes in the place of each of the users, active ones.

    What somebody has arranged for the process, or for all, counts before what the directory knows of absences. The
    chain goes on while substitutes are absent themselves; it stops at the last one who is new, and after `MAX_HOPS`.
    """
    found = {user: StandIn(user, [user]) for user in users}
    moving = list(found.values())
    for hop in range(MAX_HOPS + 1):
        if not moving:
            break
        current = {each.user_id for each in moving}
        delegates = await staff.delegates(current, process)
        absences = await staff.substitutes(current)
        options = {user: _options(user, delegates.get(user), absences.get(user, ())) for user in current}
        active = await staff.active({user for each in options.values() for user in each})
        moving = [
            each
            for each in moving
            if _move(each, options[each.user_id], active, absent=each.user_id in absences, last=hop == MAX_HOPS)
        ]
    return found


def _options(user: UUID, delegate: UUID | None, substitutes: Sequence[UUID]) -> list[UUID]:
    wanted = [delegate] if delegate is not None else []
    return [each for each in dict.fromkeys([*wanted, *substitutes]) if each != user]


def _move(place: StandIn, options: Sequence[UUID], active: set[UUID], *, absent: bool, last: bool) -> bool:
    """Go on to who stands in; whether there is further to go."""
    who = place.user_id
    if not options:
        if absent:
            _stay(place, "absent")
        return False
    there = [each for each in options if each in active]
    if not there:
        _stay(place, "substitute_gone")
        return False
    new = next((each for each in there if each not in place.visited), None)
    if new is None:
        _stay(place, "circle")
        return False
    if last:
        _stay(place, "chain_too_long")
        return False
    place.lines.append({"code": "proxy", "user": str(who), "to": str(new)})
    place.visited.append(new)
    place.user_id = new
    return True


def _stay(place: StandIn, code: str) -> None:
    place.lines.append({"code": code, "user": str(place.user_id)})
    place.warnings.append(_WARNINGS[code])


_WARNINGS: Final[Mapping[str, Texts]] = {
    "absent": {"en": "somebody is absent, and nobody stands in for them", "zh-CN": "有人不在，且没有代理人"},
    "substitute_gone": {
        "en": "the substitute of an absent person is no active member",
        "zh-CN": "不在者的代理人已不是有效成员",
    },
    "circle": {"en": "substitutes stand in for one another in a circle", "zh-CN": "代理人互相代理，形成循环"},
    "chain_too_long": {
        "en": f"a chain of substitutes is longer than {MAX_HOPS}",
        "zh-CN": f"代理链超过 {MAX_HOPS} 级",
    },
}
