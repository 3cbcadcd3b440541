"""Looks at rules before they are kept: whether all that they name is there, and fits."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from riveredge_messaging.rules.categories import all_categories
from riveredge_messaging.sending.audience import Audience
from riveredge_messaging.sending.flaws import Flaws
from riveredge_messaging.templates.catalog import channels, find_template
from riveredge_messaging.templates.declarations import check_data, declared_names, required_names
from riveredge_messaging.triggers.catalogue import KnownEvent, events
from riveredge_messaging.triggers.schemas import NotificationRuleIn, Timing
from riveredge_sdk.conditions import Comparison, Group, flaw_of
from riveredge_sdk.problems import FieldError, Invalid, invalid_field

_DATES = frozenset({"date", "datetime"})
_NAMES_PEOPLE = frozenset({"string", "list"})


async def check(body: NotificationRuleIn) -> None:
    """See that the rule can be kept.

    Raises:
        Invalid: naming each field at fault.
    """
    there = events()
    event = there.get(body.event)
    if event is None:
        raise invalid_field("event", _no_event(body.event), "unknown_event")
    flaws = Flaws()
    for errors in (_condition(body.condition, event), _fields(body, event), _timing(body.timing, event, there)):
        with flaws.gathered():
            _raise(list(errors))
    with flaws.gathered():
        await _audience(body)
    with flaws.gathered():
        await _template(body)
    flaws.tell()


def _no_event(name: str) -> str:
    if name.startswith("messaging/"):
        return "Rules are not about messages themselves: one could send because it has sent."
    return f"There is no event {name!r} here; GET /api/v1/messaging/notification-rules/events lists them."


def _raise(errors: Sequence[FieldError]) -> None:
    if errors:
        raise Invalid(f"{len(errors)} thing(s) to mend.", errors=errors)


def _condition(group: Group | None, event: KnownEvent) -> Iterator[FieldError]:
    for where, each in _comparisons(group, "condition") if group is not None else ():
        if not each.field.startswith("event.") or not event.has(each.field):
            yield FieldError(f"{where}.field", _no_field(each.field, event), "unknown_field")
            continue
        wrong = flaw_of(each, event.kind(each.field))
        if wrong is not None:
            yield FieldError(f"{where}.{wrong.field}", wrong.message, "does_not_fit")


def _comparisons(group: Group, where: str) -> Iterator[tuple[str, Comparison]]:
    for index, part in enumerate(group.conditions):
        place = f"{where}.conditions.{index}"
        if isinstance(part, Group):
            yield from _comparisons(part, place)
        else:
            yield place, part


def _no_field(name: str, event: KnownEvent) -> str:
    return f"{event.type.name} has no field {name!r}; it has: {', '.join(event.fields)}."


def _fields(body: NotificationRuleIn, event: KnownEvent) -> Iterator[FieldError]:
    for index, name in enumerate(body.recipients.fields):
        where = f"recipients.fields.{index}"
        if not event.has(name):
            yield FieldError(where, _no_field(name, event), "unknown_field")
        elif (event.kind(name) or "string") not in _NAMES_PEOPLE:
            yield FieldError(where, f"{name} holds no ids of people: it is of the type {event.kind(name)}.", "no_ids")
    for variable, source in body.data.items():
        if source.field is not None and not event.has(source.field):
            yield FieldError(f"data.{variable}.field", _no_field(source.field, event), "unknown_field")


def _timing(timing: Timing | None, event: KnownEvent, there: Mapping[str, KnownEvent]) -> Iterator[FieldError]:
    if timing is None:
        return
    for name, field in (("field", timing.field), ("subject", timing.subject)):
        if field is not None and not event.has(field):
            yield FieldError(f"timing.{name}", _no_field(field, event), "unknown_field")
    if timing.field is not None and event.has(timing.field):
        kind = event.kind(timing.field)
        # Many keep times as texts.
        if kind is not None and kind not in _DATES | {"string"}:
            yield FieldError("timing.field", f"{timing.field} is no date but of the type {kind}.", "no_date")
    for index, name in enumerate(timing.cancel_on):
        if name not in there:
            yield FieldError(f"timing.cancel_on.{index}", _no_event(name), "unknown_event")
        elif timing.subject is not None and not there[name].has(timing.subject):
            yield FieldError(f"timing.cancel_on.{index}", _no_field(timing.subject, there[name]), "unknown_field")


async def _audience(body: NotificationRuleIn) -> None:
    given = body.recipients
    if not (given.to or given.roles or given.groups or given.topics):
        return
    try:
        await Audience(users=given.to, roles=given.roles, groups=given.groups, topics=given.topics).check()
    except Invalid as refused:
        errors = [FieldError(f"recipients.{each.field}", each.message, each.code) for each in refused.errors]
        raise Invalid(refused.detail, errors=errors) from None


async def _template(body: NotificationRuleIn) -> None:
    template = await find_template(body.template)
    if template is None:
        raise invalid_field("template", f"There is no template {body.template!r} here.", "unknown_template")
    errors: list[FieldError] = []
    if body.category is not None and body.category not in await all_categories():
        errors.append(FieldError("category", f"There is no category {body.category!r} here.", "unknown_category"))
    texts = template.channels(channels())
    for index, name in enumerate(body.channels):
        if name not in texts:
            known = ", ".join(texts)
            text = f"The template has no text for a channel {name!r}; it has for: {known}."
            errors.append(FieldError(f"channels.{index}", text, "unknown"))
    declared = declared_names(template.variables)
    errors += [
        FieldError(f"data.{name}", "This variable of the template needs a source.", "missing")
        for name in required_names(template.variables)
        if name not in body.data
    ]
    errors += [
        FieldError(f"data.{name}", "The template has no such variable.", "unknown")
        for name in body.data
        if name not in declared
    ]
    _raise(errors)
    fixed = {name: source.value for name, source in body.data.items() if source.field is None}
    only: dict[str, Any] = {**template.variables, "required": []}
    check_data(fixed, only)
