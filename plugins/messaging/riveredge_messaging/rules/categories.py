"""The categories of the current tenant: contributed ones, and the tenant's own over them."""

from riveredge_messaging.rules.models import Category
from riveredge_messaging.rules.repository import Categories
from riveredge_sdk import Plugin, contributions
from riveredge_sdk.features.message_categories import DigestRule, EscalationStep, MessageCategory, ThrottleRule

GENERAL = MessageCategory(
    id="messaging.general",
    title="Other messages",
    description="Messages that belong to no other category.",
)


def contributed_categories() -> dict[str, MessageCategory]:
    """The plugins' categories, by id."""
    return {each.id: each for each in contributions(Plugin.message_categories)}


async def all_categories() -> dict[str, MessageCategory]:
    """Every category that messages may name, by id."""
    own = {row.key: own_category(row) for row in await Categories().all()}
    found = {**contributed_categories(), **own}
    return {key: found[key] for key in sorted(found)}


def own_category(row: Category) -> MessageCategory:
    """A tenant's category with its rules."""
    return MessageCategory(
        id=row.key,
        title=row.title,
        description=row.description,
        kind=row.kind,  # type: ignore[arg-type]  # checked when it was written
        mandatory=row.mandatory,
        channels=row.channels,
        duplicates=row.duplicates,  # type: ignore[arg-type]
        digest=DigestRule.model_validate(row.digest) if row.digest else None,
        throttle=ThrottleRule.model_validate(row.throttle) if row.throttle else None,
        escalation=[EscalationStep.model_validate(step) for step in row.escalation],
    )
