"""The demo tenant of `riveredge run`."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlmodel import col, select

from riveredge_kernel.auth.models import Membership, User
from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.platform import Platform
from riveredge_kernel.tenancy.lifecycle import tell_plugins
from riveredge_kernel.tenancy.models import Tenant
from riveredge_sdk.context import Context, use_context
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.uow import unit_of_work

SLUG = "demo"


@dataclass(frozen=True, slots=True)
class DemoUser:
    """Somebody to sign in as. The password is None if nobody knows it any more."""

    id: UUID
    email: str
    password: str | None
    title: str


@dataclass(frozen=True, slots=True)
class _Person:
    email: str
    name: str
    title: str
    roles: tuple[str, ...]
    locale: str


_PEOPLE = (
    # Plugins put them into their places, by the part before the @.
    _Person("ada@demo.example", "Ada Admin", "Administrator", (ADMINISTRATOR,), "en"),
    _Person(
        "lin@demo.example", "林静", "Head of engineering, in Chinese", ("kernel.viewer", "approvals.user"), "zh-CN"
    ),
    _Person("max@demo.example", "Max Weber", "Head of finance", ("kernel.viewer", "approvals.user"), "en"),
    _Person(
        "wei@demo.example",
        "王伟",
        "Member, in Chinese",
        ("kernel.viewer", "messaging.sender", "approvals.user"),
        "zh-CN",
    ),
)


async def provision_demo(platform: Platform) -> list[DemoUser]:
    """The demo tenant's users. What is missing is made, unless the tenant is there and is none of ours.

    Their passwords are kept in a file of the var directory, written first: a start that is interrupted loses none,
    and another database gets the same ones.
    """
    notes = platform.settings.var_dir / "demo.json"
    passwords = _read(notes)
    tenant_id, ids = await _existing(platform)
    if tenant_id is None or passwords:
        passwords = {person.email: secrets.token_urlsafe(9) for person in _PEOPLE} | passwords
        _write(notes, passwords)
        is_new = tenant_id is None
        tenant_id = tenant_id or await platform.provisioning.create_tenant(SLUG, "Demo")
        for person in _PEOPLE:
            if person.email not in ids:
                ids[person.email] = await _add(platform, tenant_id, person, passwords[person.email])
        if is_new:
            await _fill(platform, tenant_id, ids)
    return [
        DemoUser(ids[person.email], person.email, passwords.get(person.email), person.title)
        for person in _PEOPLE
        if person.email in ids
    ]


async def _existing(platform: Platform) -> tuple[UUID | None, dict[str, UUID]]:
    """The tenant, and its members' ids by address."""
    async with platform.database.system("find the demo", platform.runtime, read_only=True) as session:
        tenant_id = (await session.exec(select(Tenant.id).where(col(Tenant.slug) == SLUG))).one_or_none()
        members = select(User.email, User.id).join(Membership, col(Membership.user_id) == col(User.id))
        rows = await session.exec(members.where(col(Membership.tenant_id) == tenant_id))
        return tenant_id, {email: user_id for email, user_id in rows}  # noqa: C416  (rows are no pairs to mypy)


def _read(notes: Path) -> dict[str, str]:
    if not notes.exists():
        return {}
    return {line["email"]: line["password"] for line in json.loads(notes.read_text(encoding="utf-8"))}


def _write(notes: Path, passwords: dict[str, str]) -> None:
    notes.touch(mode=0o600)
    lines = [{"email": email, "password": password} for email, password in passwords.items()]
    notes.write_text(json.dumps(lines, indent=1), encoding="utf-8")


async def _fill(platform: Platform, tenant_id: UUID, ids: Mapping[str, UUID]) -> None:
    """What the plugins have to show."""
    tenant = await platform.tenants.get(tenant_id)
    if tenant is None:
        return
    context = Context(runtime=platform.runtime, tenant_id=tenant.id, locale=tenant.locale, timezone=tenant.timezone)
    people = {email.partition("@")[0]: user_id for email, user_id in ids.items()}
    with use_context(context):
        async with unit_of_work():
            await tell_plugins(platform.plugins, tenant, Plugin.demo_data, people)


async def _add(platform: Platform, tenant_id: UUID, person: _Person, password: str) -> UUID:
    member = await platform.provisioning.add_member(
        tenant_id,
        person.email,
        name=person.name,
        password=password,
        # A plugin that is not installed offers no role.
        roles=_known(platform, person.roles),
        locale=person.locale,
    )
    return member.user_id


def _known(platform: Platform, roles: tuple[str, ...]) -> list[str]:
    offered = {c.item.id for c in platform.plugins.collect(Plugin.roles)} | {ADMINISTRATOR}
    return [role for role in roles if role in offered]
