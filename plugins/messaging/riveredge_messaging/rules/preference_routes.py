"""`/api/v1/messaging/preferences`: what one wants to get, where, and when not to be disturbed."""

from typing import Any
from uuid import UUID

from sqlmodel import col

from riveredge_messaging.permissions import INBOX_USE, POLICY_READ
from riveredge_messaging.rules.categories import all_categories
from riveredge_messaging.rules.models import ANY, QuietHours
from riveredge_messaging.rules.preferences import Choices, choose, load_choices
from riveredge_messaging.rules.quiet_settings import QuietHoursIn, tenant_windows
from riveredge_messaging.rules.repository import QuietTimes
from riveredge_messaging.rules.schemas import (
    CategoryChoices,
    ChannelChoice,
    ChoicesIn,
    PreferencesOut,
    QuietHoursOut,
)
from riveredge_messaging.settings import MessagingTenantSettings
from riveredge_messaging.templates.catalog import channels
from riveredge_messaging.timeline.words import sentence
from riveredge_sdk import Router, current_context, current_principal, get_service, tenant_settings
from riveredge_sdk.features.message_categories import MessageCategory
from riveredge_sdk.features.people import PEOPLE
from riveredge_sdk.problems import FieldError, Invalid, NotFound

router = Router(prefix="/preferences", tag="Messaging: preferences")
quiet_times = QuietTimes()


@router.get(require=INBOX_USE, summary="What I get on which channel, and what I may change")
async def get_my_preferences() -> PreferencesOut:
    return await _preferences(current_principal().id)


@router.put(require=INBOX_USE, audit=False, summary="Choose what I get on which channel")
async def change_my_preferences(body: ChoicesIn) -> PreferencesOut:
    """What was chosen for a category on a channel goes before what was chosen for the category, that before what was
    chosen for the channel. A later category so follows what was chosen for the channel."""
    there, known = channels(), await all_categories()
    errors = []
    for index, choice in enumerate(body.choices):
        if choice.channel and choice.channel not in there:
            errors.append(
                FieldError(
                    f"choices.{index}.channel", f"There is no such channel; there are: {', '.join(there)}.", "unknown"
                )
            )
        if choice.category and choice.category not in known:
            errors.append(
                FieldError(
                    f"choices.{index}.category", f"There is no such category; there are: {', '.join(known)}.", "unknown"
                )
            )
    if errors:
        raise Invalid(f"{len(errors)} thing(s) are not there.", errors=errors)
    for choice in body.choices:
        await choose(current_principal().id, choice.category, choice.channel, choice.on)
    return await _preferences(current_principal().id)


@router.get("/quiet-hours", require=INBOX_USE, summary="When I am not disturbed")
async def get_my_quiet_hours() -> QuietHoursOut:
    return await _quiet_hours(current_principal().id)


@router.put("/quiet-hours", require=INBOX_USE, audit=False, summary="Choose when I am not disturbed")
async def change_my_quiet_hours(body: QuietHoursIn) -> QuietHoursOut:
    """Messages wait until quiet hours are over, except critical ones and the inbox."""
    me = current_principal().id
    windows = [window.model_dump(mode="json", by_alias=True) for window in body.windows]
    found = await quiet_times.find(col(QuietHours.user_id) == me)
    if found is None:
        await quiet_times.add(QuietHours(user_id=me, windows=windows, zone=body.zone))
    else:
        await quiet_times.change(found, {"windows": windows, "zone": body.zone})
    return await _quiet_hours(me)


@router.post(
    "/quiet-hours/reset",
    require=INBOX_USE,
    status=200,
    audit=False,
    summary="Follow the organisation's quiet hours again",
)
async def reset_my_quiet_hours() -> QuietHoursOut:
    me = current_principal().id
    found = await quiet_times.find(col(QuietHours.user_id) == me)
    if found is not None:
        await quiet_times.delete(found)
    return await _quiet_hours(me)


@router.get("/of/{user_id}", require=POLICY_READ, summary="What somebody gets on which channel, and why")
async def get_preferences_of(user_id: UUID) -> PreferencesOut:
    if user_id not in await get_service(PEOPLE).find([user_id]):
        raise NotFound(f"There is no member {user_id} here.")
    return await _preferences(user_id)


async def _preferences(user_id: UUID) -> PreferencesOut:
    choices = await load_choices([user_id])
    mine = choices.chosen.get(user_id, {})
    return PreferencesOut(
        categories=[_of_category(found, choices, user_id) for found in (await all_categories()).values()],
        all=mine.get((ANY, ANY)),
        channels={channel: wanted for (category, channel), wanted in mine.items() if category == ANY and channel},
    )


def _of_category(category: MessageCategory, choices: Choices, user_id: UUID) -> CategoryChoices:
    locale = current_context().locale
    found = []
    for key, channel in channels().items():
        answer = choices.answer(user_id, category, key)
        words = sentence(answer.reason, locale, {"category": category.title})
        found.append(
            ChannelChoice(
                channel=key,
                title=channel.title,
                on=answer.on,
                locked=answer.locked,
                reason=answer.reason,
                words=words,
            )
        )
    return CategoryChoices(key=category.id, title=category.title, description=category.description, channels=found)


async def _quiet_hours(user_id: UUID) -> QuietHoursOut:
    person = (await get_service(PEOPLE).find([user_id])).get(user_id)
    zone = person.timezone if person is not None else "UTC"
    found = await quiet_times.find(col(QuietHours.user_id) == user_id)
    if found is not None:
        return QuietHoursOut(windows=found.windows, zone=found.zone or zone, own=True)
    windows: list[dict[str, Any]] = [
        {"from": f"{each.begins:%H:%M}", "until": f"{each.ends:%H:%M}", "days": sorted(each.days)}
        for each in tenant_windows(await tenant_settings(MessagingTenantSettings))
    ]
    return QuietHoursOut(windows=windows, zone=zone, own=False)
