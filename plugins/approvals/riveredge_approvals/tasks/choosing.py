"""Whoever decides says who decides on a later node, where the drawing asks for it."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from riveredge_approvals.engine.case import Case
from riveredge_approvals.models import Task, TaskState
from riveredge_approvals.people.choosing import as_kept, choice_errors, choices_of_deciders, show, still_chosen
from riveredge_approvals.people.schemas import ChoiceOut
from riveredge_approvals.problems import ChoiceRequired
from riveredge_approvals.speech import told
from riveredge_sdk.problems import Invalid, invalid_field


async def take(case: Case, task: Task, outcome: TaskState, given: Mapping[str, Sequence[UUID]] | None) -> None:
    """Keep whom the decider has chosen.

    Raises:
        ChoiceRequired: she has not chosen, and has to.
        Invalid: too few, too many or others than the drawing allows, or nobody is to be chosen with this decision.
    """
    if outcome != TaskState.APPROVED or task.part != "seat":
        if given:
            raise invalid_field(
                "choices",
                told(
                    "Only who approves chooses who is next; leave it out.",
                    "只有同意时才能选择下一步处理人，请去掉此项。",
                ),
                "unsupported",
            )
        return
    wanted = choices_of_deciders(case.flow, task.node)
    if not wanted and not given:
        return
    errors = await choice_errors(wanted, given or {}, already=await still_chosen(case.instance.choices))
    if any(each.code == "missing" for each in errors):
        raise ChoiceRequired(errors)
    if errors:
        raise Invalid(told("Somebody cannot be chosen.", "有人员不可选择。"), errors=errors)
    if given:
        case.instance.choices = {**case.instance.choices, **as_kept(given)}
        case.note("task.chose", task=task, choices=as_kept(given))


async def shown(case: Case, task: Task) -> list[ChoiceOut]:
    """What the reader of an open task is to choose with her approval."""
    return await show(choices_of_deciders(case.flow, task.node), case.instance.choices) if task.part == "seat" else []
