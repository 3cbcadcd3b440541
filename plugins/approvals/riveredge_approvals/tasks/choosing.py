"""Whoever decides says who decides on a later node, where the drawing asks for it."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from pydantic import BaseModel, Field

from riveredge_approvals.engine.case import Case
from riveredge_approvals.models import Task, TaskState
from riveredge_approvals.people.choosing import as_kept, candidates, choice_errors, choices_of_deciders
from riveredge_approvals.people.explaining import names_of
from riveredge_approvals.people.schemas import PersonRef
from riveredge_approvals.problems import ChoiceRequired
from riveredge_sdk.problems import Invalid, invalid_field

MAX_SHOWN = 200


class ChoiceOut(BaseModel):
    """You choose who decides on another node: send `choices` with the approval."""

    node: str
    label: str
    min: int
    max: int
    required: bool = Field(description="False once somebody was chosen, who may be replaced.")
    among: list[PersonRef] | None = Field(description="From whom, the first 200; null: from all members.")
    chosen: list[PersonRef]


async def take(case: Case, task: Task, outcome: TaskState, given: Mapping[str, Sequence[UUID]] | None) -> None:
    """Keep whom the decider has chosen.

    Raises:
        ChoiceRequired: she has not chosen, and has to.
        Invalid: too few, too many or others than the drawing allows, or nobody is to be chosen with this decision.
    """
    if outcome != TaskState.APPROVED or task.part != "seat":
        if given:
            raise invalid_field("choices", "Only who approves chooses who is next; leave it out.", "unsupported")
        return
    wanted = choices_of_deciders(case.flow, task.node)
    if not wanted and not given:
        return
    errors = await choice_errors(wanted, given or {}, already=case.instance.choices)
    if any(each.code == "missing" for each in errors):
        raise ChoiceRequired(errors)
    if errors:
        raise Invalid("Somebody cannot be chosen.", errors=errors)
    if given:
        case.instance.choices = {**case.instance.choices, **as_kept(given)}
        case.note("task.chose", task=task, choices=as_kept(given))


async def shown(case: Case, task: Task) -> list[ChoiceOut]:
    """What the reader of an open task is to choose with her approval."""
    if task.part != "seat":
        return []
    found: list[ChoiceOut] = []
    for choice in choices_of_deciders(case.flow, task.node):
        among = await candidates(choice)
        chosen = [UUID(user) for user in case.instance.choices.get(choice.node, ())]
        names = await names_of([*(among or ())[:MAX_SHOWN], *chosen])
        found.append(
            ChoiceOut(
                node=choice.node,
                label=choice.label,
                min=choice.min,
                max=choice.max,
                required=choice.min > 0 and not chosen,
                among=None if among is None else [_ref(user, names) for user in among[:MAX_SHOWN]],
                chosen=[_ref(user, names) for user in chosen],
            )
        )
    return found


def _ref(user: UUID, names: Mapping[UUID, str]) -> PersonRef:
    return PersonRef(id=user, name=names.get(user, "—"))
