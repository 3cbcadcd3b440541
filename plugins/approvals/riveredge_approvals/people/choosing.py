"""People whom people choose: the submitter when submitting, or whoever decides on a node for one after it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from riveredge_approvals.ir.document import CompiledFlow, HumanNode, Who
from riveredge_approvals.people.explaining import names_of
from riveredge_approvals.people.schemas import ChoiceOut, PersonRef
from riveredge_approvals.people.staff import TenantStaff
from riveredge_approvals.speech import told
from riveredge_sdk import get_service
from riveredge_sdk.features.people import PEOPLE
from riveredge_sdk.problems import FieldError, Invalid

_SUBMITTER: Final = "initiator_choice"
_DECIDER: Final = "previous_choice"
MAX_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Choice:
    """Whom somebody chooses for a node.

    Attributes:
        among: from whom; empty: from all members.
    """

    node: str
    label: str
    min: int
    max: int
    among: Sequence[Who] = ()

    @property
    def how_many(self) -> str:
        """For texts: how many are to be chosen."""
        if self.min == self.max:
            return told(f"exactly {self.min}", f"{self.min}")
        return told(f"{self.min} to {self.max}", f"{self.min} 至 {self.max}")


def choices_of_submitter(flow: CompiledFlow) -> list[Choice]:
    """Whom the submitter chooses."""
    return _choices(flow, _SUBMITTER)


def choices_of_deciders(flow: CompiledFlow, node: str | None = None) -> list[Choice]:
    """Whom those choose who decide on a node, or on any."""
    return _choices(flow, _DECIDER, node)


def _choices(flow: CompiledFlow, resolver: str, by: str | None = None) -> list[Choice]:
    found: list[Choice] = []
    # In the order of the way: a compiled flow that comes from the database has another one.
    for name, node in sorted(flow.nodes.items(), key=lambda item: (len(item[1].dominators), item[0])):
        lines = [
            each.config
            for each in (node.roster if isinstance(node, HumanNode) else ())
            if each.resolver == resolver and by in {None, each.config.get("node")}
        ]
        if not lines:
            continue
        # Several lines of one node are one choice, from all whom any of them names.
        named = [line.get("from") or () for line in lines]
        among = [Who(type=each["type"], value=each["value"]) for part in named for each in part] if all(named) else []
        least = sum(int(line.get("min", 1)) for line in lines)
        most = sum(int(line.get("max", 20)) for line in lines)
        found.append(Choice(name, node.label or name, least, most, among))
    return found


async def check_choices(
    flow: CompiledFlow, given: Mapping[str, Sequence[UUID]], *, before: Mapping[str, Sequence[str]] = {}
) -> dict[str, list[str]]:
    """Whom the submitter chose, by node: as many as the drawing says, from those it names.

    Args:
        before: who was chosen when it was submitted before. They stay, unless all of a node have left.

    Raises:
        Invalid: naming the node (`choices.mgr`).
    """
    already = await still_chosen(before)
    errors = await choice_errors(choices_of_submitter(flow), given, already=already)
    if errors:
        message = told("Those who decide are not chosen as the process wants it.", "处理人的选择不符合流程要求。")
        raise Invalid(message, errors=errors)
    return {node: list(users) for node, users in before.items()} | as_kept(given)


def as_kept(given: Mapping[str, Sequence[UUID]]) -> dict[str, list[str]]:
    """Choices as an instance has them."""
    return {node: [str(user) for user in users] for node, users in given.items()}


async def choice_errors(
    wanted: Sequence[Choice], given: Mapping[str, Sequence[UUID]], *, already: Mapping[str, object] | None = None
) -> list[FieldError]:
    """What is wrong with choices, or missing of them (the codes `missing` and `count`).

    Args:
        already: nodes for which somebody was chosen before, so that nobody has to be chosen anew.
    """
    by_node = {choice.node: choice for choice in wanted}
    nobody = told("Nobody is to be chosen for this node here.", "此处不能选择该节点的处理人。")
    errors = [FieldError(f"choices.{node}", nobody, "unknown") for node in given if node not in by_node]
    for node, choice in by_node.items():
        users = given.get(node)
        if users is None:
            if choice.min > 0 and not (already or {}).get(node):
                message = told(
                    f"Choose {choice.how_many} to decide on “{choice.label}”.",
                    f"请为“{choice.label}”选择 {choice.how_many} 位处理人。",
                )
                errors.append(FieldError(f"choices.{node}", message, "missing"))
            continue
        if not choice.min <= len(users) <= choice.max:
            message = told(
                f"Choose {choice.how_many} to decide on “{choice.label}”, and not {len(users)}.",
                f"请为“{choice.label}”选择 {choice.how_many} 位处理人，而不是 {len(users)} 位。",
            )
            errors.append(FieldError(f"choices.{node}", message, "count"))
        errors += await _misfits(choice, users)
    return errors


async def still_chosen(chosen: Mapping[str, Sequence[str]]) -> dict[str, list[UUID]]:
    """Of those who were chosen, by node, who is still there."""
    everybody = {UUID(user) for users in chosen.values() for user in users}
    active = await TenantStaff().active(everybody) if everybody else set()
    return {node: [user for each in users if (user := UUID(each)) in active] for node, users in chosen.items()}


async def show(choices: Sequence[Choice], chosen: Mapping[str, Sequence[str]]) -> list[ChoiceOut]:
    """What somebody is to choose, and from whom."""
    there = await still_chosen({choice.node: chosen.get(choice.node, ()) for choice in choices})
    found: list[ChoiceOut] = []
    for choice in choices:
        among = await candidates(choice)
        names = await names_of([*(among or ())[:MAX_SHOWN], *there[choice.node]])
        found.append(
            ChoiceOut(
                node=choice.node,
                label=choice.label,
                min=choice.min,
                max=choice.max,
                required=choice.min > 0 and not there[choice.node],
                among=None if among is None else [_ref(user, names) for user in among[:MAX_SHOWN]],
                chosen=[_ref(user, names) for user in there[choice.node]],
            )
        )
    return found


def _ref(user: UUID, names: Mapping[UUID, str]) -> PersonRef:
    return PersonRef(id=user, name=names.get(user, "—"))


async def candidates(choice: Choice) -> list[UUID] | None:
    """From whom it is chosen, without those who have left; None: from all members."""
    if not choice.among:
        return None
    staff = TenantStaff()
    users = list(dict.fromkeys([user for who in choice.among for user in await staff.members(who)]))
    active = await staff.active(users)
    return [user for user in users if user in active]


async def _misfits(choice: Choice, users: Sequence[UUID]) -> list[FieldError]:
    members = await get_service(PEOPLE).find(list(users))
    allowed = await candidates(choice)
    errors: list[FieldError] = []
    for place, user in enumerate(users):
        where = f"choices.{choice.node}.{place}"
        if user in users[:place]:
            errors.append(FieldError(where, told("Name each once.", "每人只能选择一次。"), "twice"))
        elif user not in members or not members[user].active:
            message = told(f"{user} is no active member of this organisation.", f"{user} 不是本组织的有效成员。")
            errors.append(FieldError(where, message, "unknown"))
        elif allowed is not None and user not in allowed:
            message = told(f"{user} is none of those who can be chosen.", f"{user} 不在可选范围内。")
            errors.append(FieldError(where, message, "unknown"))
    return errors


__all__ = [
    "Choice",
    "as_kept",
    "candidates",
    "check_choices",
    "choice_errors",
    "choices_of_deciders",
    "choices_of_submitter",
    "show",
    "still_chosen",
]
