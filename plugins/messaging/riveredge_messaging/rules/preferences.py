"""What people want, within what their organisation allows: for each category on each channel."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import col

from riveredge_messaging.rules.categories import all_categories
from riveredge_messaging.rules.models import ANY, Policy, PolicyRule, Preference
from riveredge_messaging.rules.repository import Policies, Preferences
from riveredge_sdk import session
from riveredge_sdk.features.message_categories import MessageCategory
from riveredge_sdk.problems import Conflict

Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a person gets a category on a channel.

    Args:
        reason: a code of `words`: what decided.
        locked: the person cannot change it.
    """

    on: bool
    reason: str
    locked: bool = False


@dataclass(frozen=True, slots=True)
class Choices:
    """Everything that decides about some people's wishes."""

    policies: Mapping[Place, str]
    chosen: Mapping[UUID, Mapping[Place, bool]]

    def answer(self, user_id: UUID, category: MessageCategory, channel: str) -> Answer:
        """The organisation's rule, else the person's choice of category and channel, of the category, of the channel,
        else the organisation's or the category's default. A new category so inherits what was said of the channel."""
        rule = next((self.policies[place] for place in _places(category.id, channel) if place in self.policies), None)
        if rule == PolicyRule.FORBIDDEN:
            return Answer(False, "policy_forbidden", locked=True)
        if category.kind != "ordinary":
            return Answer(True, f"kind_{category.kind}", locked=True)
        if category.mandatory or rule == PolicyRule.MANDATORY:
            return Answer(True, "policy_mandatory", locked=True)
        mine = self.chosen.get(user_id, {})
        for place, which in zip(_places(category.id, channel), ("both", "category", "channel", "all"), strict=True):
            if place in mine:
                return Answer(mine[place], f"chosen_{which}" if mine[place] else f"refused_{which}")
        if rule == PolicyRule.OFF:
            return Answer(False, "policy_off")
        return Answer(True, "default_on")


def _places(category: str, channel: str) -> Sequence[Place]:
    return ((category, channel), (category, ANY), (ANY, channel), (ANY, ANY))


async def load_choices(user_ids: Iterable[UUID]) -> Choices:
    """What decides about these people's wishes. Inside a unit of work."""
    chosen: dict[UUID, dict[Place, bool]] = {}
    for row in await Preferences().all(col(Preference.user_id).in_(list(user_ids))):
        chosen.setdefault(row.user_id, {})[row.category, row.channel] = row.wanted
    return Choices({(row.category, row.channel): row.rule for row in await Policies().all()}, chosen)


async def choose(user_id: UUID, category: str, channel: str, wanted: bool | None) -> None:
    """Note what a person wants of a category on a channel; `ANY` stands for all of them, None takes it back.

    Raises:
        Conflict: the person has no choice there; the answer says why.
    """
    if wanted is False:
        await _refuse_locked(user_id, category, channel)
    where = (
        col(Preference.user_id) == user_id,
        col(Preference.category) == category,
        col(Preference.channel) == channel,
    )
    found = await Preferences().find(*where)
    if wanted is None:
        if found is not None:
            await Preferences().delete(found)
    elif found is not None:
        await Preferences().change(found, {"wanted": wanted})
    else:
        await Preferences().add(Preference(user_id=user_id, category=category, channel=channel, wanted=wanted))


async def _refuse_locked(user_id: UUID, category: str, channel: str) -> None:
    if ANY in (category, channel):
        return
    found = (await all_categories()).get(category)
    if found is None:
        return
    answer = (await load_choices([user_id])).answer(user_id, found, channel)
    if answer.locked and answer.on:
        raise Conflict("This cannot be switched off.", extensions={"reason": answer.reason})


async def forget(user_id: UUID) -> int:
    """Delete what a person has chosen; how much that was."""
    rows = await Preferences().all(col(Preference.user_id) == user_id)
    for row in rows:
        await session().delete(row)
    await session().flush()
    return len(rows)


async def policy(category: str, channel: str) -> Policy | None:
    """The organisation's rule for exactly this place."""
    return await Policies().find(col(Policy.category) == category, col(Policy.channel) == channel)
