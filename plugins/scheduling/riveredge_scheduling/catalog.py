"""The actions of the plugins that are on, and whether a schedule may use one."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from riveredge_sdk import Plugin, Principal, contributions, session
from riveredge_sdk.features.scheduling import TaskAction
from riveredge_sdk.problems import FieldError, Forbidden, Invalid, field_errors, invalid_field

_ACTIONS = "scheduling_actions"


def actions() -> dict[str, TaskAction[Any]]:
    """By id. Collected once in a unit of work, which may ask for each of many fires."""
    known: dict[str, TaskAction[Any]] | None = session().info.get(_ACTIONS)
    if known is None:
        known = session().info[_ACTIONS] = {action.id: action for action in contributions(Plugin.task_actions)}
    return known


def find_action(action_id: str) -> TaskAction[Any]:
    """The action.

    Raises:
        Invalid: there is none with this id here.
    """
    there = actions()
    if action_id not in there:
        raise invalid_field(
            "action", f"There is no action {action_id!r}; there are: {', '.join(sorted(there))}.", "unknown"
        )
    return there[action_id]


def read_params(action: TaskAction[Any], params: Mapping[str, Any]) -> BaseModel:
    """The parameters as the action's model.

    Raises:
        Invalid: naming each parameter at fault, as `params.…`.
    """
    try:
        read: BaseModel = action.params.model_validate(dict(params))
    except ValidationError as error:
        errors = field_errors(error.errors(), params, under=["params"])
        raise Invalid(f"{len(errors)} parameter(s) of {action.id} to mend.", errors=errors) from None
    return read


async def check_use(action_id: str, params: Mapping[str, Any], principal: Principal) -> dict[str, Any]:
    """See that `principal` may have the action run with these parameters; the parameters as they are to be kept.

    Raises:
        Forbidden: the action's permission is missing.
        Invalid: there is no such action, or a parameter is not right.
    """
    action = find_action(action_id)
    if action.permission is not None and not principal.may(action.permission):
        raise Forbidden(
            f"The action {action.id} needs the permission {action.permission!r}, at every run: from its owner.",
            extensions={"permission": action.permission},
        )
    read = read_params(action, params)
    try:
        await action.check(read)
    except Invalid as problem:
        errors = [FieldError(f"params.{each.field}", each.message, each.code) for each in problem.errors]
        raise Invalid(problem.detail, errors=errors) from None
    return read.model_dump(mode="json", exclude_unset=True)
