"""Who is not asked twice, not about her own request, and not again: the policies of a node."""

import hashlib
from collections.abc import Collection, Sequence
from typing import Any, Literal
from uuid import UUID

from riveredge_approvals.people.candidates import Candidate, Earlier
from riveredge_approvals.people.staff import Staff
from riveredge_sdk.features.approvals import Request

# So many departments above the submitter's are looked at for a head.
_MAX_LEVELS = 20


def merge(candidates: Sequence[Candidate]) -> tuple[list[Candidate], list[dict[str, Any]]]:
    """Everybody once, at their first place, with a line for each who was there more often.

    Somebody who stands in for others besides herself has their weight, too; one found by two rules has the larger one.
    """
    kept: dict[UUID, Candidate] = {}
    voices: dict[UUID, dict[UUID, int]] = {}
    lines: list[dict[str, Any]] = []
    for each in candidates:
        voice = each.principal_id or each.user_id
        own = voices.setdefault(each.user_id, {})
        own[voice] = max(own.get(voice, 0), each.weight)
        first = kept.setdefault(each.user_id, each)
        if first is not each:
            line = {"code": "duplicate", "user": str(each.user_id)}
            lines.append(line)
            first.trace.extend([*each.trace, line])
            first.weight = sum(own.values())
            if each.principal_id is None:
                first.principal_id = None
    return list(kept.values()), lines


async def above_submitter(staff: Staff, request: Request, rule: str) -> list[UUID]:
    """Who may decide in the submitter's place, the nearest first: her managers, or the heads above her."""
    if rule == "manager":
        chain = await staff.managers(request.submitter, request.department)
        return [user for user in chain.users if user != request.submitter]
    if rule != "department_head":
        return []
    found: list[UUID] = []
    for level in range(_MAX_LEVELS):
        heads = await staff.heads(request.submitter, request.department, level)
        if heads is None:
            break
        found.extend(user for user in heads if user != request.submitter and user not in found)
    return found


def approved_before(
    candidates: Sequence[Candidate], earlier: Sequence[Earlier], rule: Literal["none", "adjacent", "any"]
) -> list[dict[str, Any]]:
    """Mark those who need not be asked again: they have approved, and what they saw is still the same."""
    lines: list[dict[str, Any]] = []
    if rule == "none":
        return lines
    for candidate in candidates:
        before = [each for each in earlier if each.user_id == candidate.user_id]
        if rule == "adjacent":
            before = [each for each in before if each.adjacent]
        same = next((each for each in reversed(before) if each.unchanged), None)
        if same is not None:
            candidate.auto = "approve"
        if before:
            code = "repeat" if same is not None else "repeat_changed"
            line = {"code": code, "user": str(candidate.user_id), "node": (same or before[-1]).node}
            lines.append(line)
            candidate.trace.append(line)
    return lines


def draw(
    candidates: Sequence[Candidate], lot: str, asked: Collection[UUID]
) -> tuple[list[Candidate], list[dict[str, Any]]]:
    """One of them, by the highest hash of the lot and her id; of those who were not asked yet, if there are any.

    Nobody can choose it, everybody can check it, and it falls on the same person as long as she is there.
    """
    among = [each for each in candidates if each.user_id not in asked] or list(candidates)
    if len(among) < 2:
        return among, []
    drawn = max(among, key=lambda each: hashlib.sha256(f"{lot}:{each.user_id}".encode()).digest())
    line = {"code": "lot", "user": str(drawn.user_id), "people": len(among)}
    drawn.trace.append(line)
    return [drawn], [line]
