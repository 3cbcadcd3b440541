"""`/api/v1/messaging/categories` and `/policies`: kinds of messages, and what the organisation says about them."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from riveredge_messaging.permissions import POLICY_READ, POLICY_WRITE
from riveredge_messaging.rules.categories import all_categories, contributed_categories
from riveredge_messaging.rules.models import Category, Policy
from riveredge_messaging.rules.repository import Categories, Policies
from riveredge_messaging.rules.schemas import (
    AvailableCategory,
    CategoryChange,
    CategoryIn,
    CategoryOut,
    PolicyIn,
    PolicyOut,
)
from riveredge_messaging.templates.catalog import channels, find_template
from riveredge_sdk import ExpectedVersion, ListQuery, Page, Router
from riveredge_sdk.problems import FieldError, Invalid, invalid_field

router = Router(prefix="/categories", tag="Messaging: categories", audit="messaging.category")
policy_router = Router(prefix="/policies", tag="Messaging: policies", audit="messaging.policy")
categories = Categories()
policies = Policies()


@router.get(require=POLICY_READ, summary="List the organisation's own categories")
async def list_categories(query: Annotated[ListQuery, Query()]) -> Page[CategoryOut]:
    return await categories.page(query, into=CategoryOut)


@router.get("/available", require=POLICY_READ, summary="Every category that messages may name")
async def list_available_categories() -> list[AvailableCategory]:
    own = {row.key for row in await categories.all()}
    return [AvailableCategory.of(found, own=key in own) for key, found in (await all_categories()).items()]


@router.get("/{category_id}", require=POLICY_READ, summary="One of the organisation's own categories")
async def get_category(category_id: UUID) -> CategoryOut:
    return CategoryOut.model_validate(await categories.get(category_id))


@router.post(require=POLICY_WRITE, summary="Create a category, or the organisation's version of one")
async def create_category(body: CategoryIn) -> CategoryOut:
    await _check(body)
    return CategoryOut.model_validate(await categories.add(Category(**body.model_dump(mode="json"))))


@router.put("/{category_id}", require=POLICY_WRITE, summary="Change a category")
async def change_category(category_id: UUID, body: CategoryChange, version: ExpectedVersion) -> CategoryOut:
    """Messages that are held are looked at by the new rules when their time comes."""
    row = await categories.get(category_id, version=version, lock=True)
    await _check(body)
    return CategoryOut.model_validate(await categories.change(row, body.model_dump(mode="json")))


@router.delete("/{category_id}", require=POLICY_WRITE, summary="Delete a category")
async def delete_category(category_id: UUID, version: ExpectedVersion) -> None:
    """A plugin's category of the same key holds again; else its messages are in `messaging.general`."""
    await categories.delete(await categories.get(category_id, version=version, lock=True))


@policy_router.get(require=POLICY_READ, summary="List the organisation's rules")
async def list_policies(query: Annotated[ListQuery, Query()]) -> Page[PolicyOut]:
    return await policies.page(query, into=PolicyOut)


@policy_router.get("/{policy_id}", require=POLICY_READ, summary="One of the organisation's rules")
async def get_policy(policy_id: UUID) -> PolicyOut:
    return PolicyOut.model_validate(await policies.get(policy_id))


@policy_router.post(require=POLICY_WRITE, summary="Make a rule for a category on a channel")
async def create_policy(body: PolicyIn) -> PolicyOut:
    await _check_place(body)
    return PolicyOut.model_validate(await policies.add(Policy(**body.model_dump())))


@policy_router.put("/{policy_id}", require=POLICY_WRITE, summary="Change a rule")
async def change_policy(policy_id: UUID, body: PolicyIn, version: ExpectedVersion) -> PolicyOut:
    row = await policies.get(policy_id, version=version, lock=True)
    await _check_place(body)
    return PolicyOut.model_validate(await policies.change(row, body.model_dump()))


@policy_router.delete("/{policy_id}", require=POLICY_WRITE, summary="Delete a rule")
async def delete_policy(policy_id: UUID, version: ExpectedVersion) -> None:
    await policies.delete(await policies.get(policy_id, version=version, lock=True))


async def _check(body: CategoryIn | CategoryChange) -> None:
    there = channels()
    named = [*((f"channels.{i}", name) for i, name in enumerate(body.channels))]
    named += [(f"escalation.{i}.channel", step.channel) for i, step in enumerate(body.escalation)]
    errors = [
        FieldError(place, f"There is no channel {name!r}; there are: {', '.join(there)}.", "unknown")
        for place, name in named
        if name not in there
    ]
    if body.digest is not None and await find_template(body.digest.template) is None:
        errors.append(FieldError("digest.template", f"There is no template {body.digest.template!r} here.", "unknown"))
    if errors:
        raise Invalid(f"{len(errors)} thing(s) are not there.", errors=errors)


async def _check_place(body: PolicyIn) -> None:
    if body.channel and body.channel not in channels():
        raise invalid_field("channel", f"There is no channel {body.channel!r} here.", "unknown")
    if body.category and body.category not in await all_categories():
        raise invalid_field("category", f"There is no category {body.category!r} here.", "unknown")
    critical = contributed_categories().get(body.category)
    if critical is not None and critical.kind == "critical" and body.rule == "off":
        raise invalid_field("rule", "A critical category cannot be off until people switch it on.", "critical")
