"""The demo tenant of `riveredge run`."""

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.platform import Platform
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.problems import NotFound

SLUG = "demo"


@dataclass(frozen=True, slots=True)
class DemoUser:
    """Somebody to sign in as."""

    id: str
    email: str
    password: str
    title: str


@dataclass(frozen=True, slots=True)
class _Person:
    email: str
    name: str
    title: str
    roles: tuple[str, ...]
    locale: str


_PEOPLE = (
    _Person("ada@demo.example", "Ada Admin", "Administrator", (ADMINISTRATOR,), "en"),
    _Person("wei@demo.example", "王伟", "Member, in Chinese", ("kernel.viewer", "messaging.sender"), "zh-CN"),
)


async def provision_demo(platform: Platform) -> list[DemoUser]:
    """The demo tenant's users; made at the first start, and known from a file in the var directory afterwards."""
    notes = platform.settings.var_dir / "demo.json"
    try:
        await platform.provisioning.find_tenant(SLUG)
    except NotFound:
        return await _create(platform, notes)
    return _read(notes)


async def _create(platform: Platform, notes: Path) -> list[DemoUser]:
    tenant_id = await platform.provisioning.create_tenant(SLUG, "Demo")
    users = [await _add(platform, tenant_id, person) for person in _PEOPLE]
    _write(notes, users)
    return users


def _read(notes: Path) -> list[DemoUser]:
    return [DemoUser(**line) for line in json.loads(notes.read_text(encoding="utf-8"))] if notes.exists() else []


def _write(notes: Path, users: list[DemoUser]) -> None:
    notes.touch(mode=0o600)
    notes.write_text(json.dumps([asdict(user) for user in users], ensure_ascii=False, indent=1), encoding="utf-8")


async def _add(platform: Platform, tenant_id: UUID, person: _Person) -> DemoUser:
    password = secrets.token_urlsafe(9)
    member = await platform.provisioning.add_member(
        tenant_id,
        person.email,
        name=person.name,
        password=password,
        # A plugin that is not installed offers no role.
        roles=_known(platform, person.roles),
        locale=person.locale,
    )
    return DemoUser(str(member.user_id), person.email, password, person.title)


def _known(platform: Platform, roles: tuple[str, ...]) -> list[str]:
    offered = {c.item.id for c in platform.plugins.collect(Plugin.roles)} | {ADMINISTRATOR}
    return [role for role in roles if role in offered]
