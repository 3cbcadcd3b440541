"""What is said of a commit that changes what somebody may do, and of one that does not."""

import secrets
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col

from riveredge_kernel.auth.models import Membership, MembershipRole, RoleRow, User
from riveredge_kernel.db.database import Database
from riveredge_kernel.db.grants import GrantsChange
from riveredge_kernel.tenancy.models import Tenant
from riveredge_sdk import uuid7

pytestmark = pytest.mark.database
NO_RUNTIME: Any = SimpleNamespace(now=lambda: datetime.now(UTC))


@pytest.fixture
def told(database: Database) -> list[GrantsChange]:
    """What was said."""
    changes: list[GrantsChange] = []
    database.on_grants = changes.append
    return changes


@pytest.fixture
async def member(database: Database, told: list[GrantsChange]) -> Membership:
    """A user in a tenant; what its making said is forgotten."""
    async with database.system("test", NO_RUNTIME) as session:
        name = secrets.token_hex(6)
        tenant, user = Tenant(slug=name, name=name), User(email=f"{name}@example.com")
        session.add_all([tenant, user])
        await session.flush()
        made = Membership(tenant_id=tenant.id, user_id=user.id)
        session.add(made)
    assert told == [GrantsChange(users={made.user_id})]
    told.clear()
    return made


async def test_a_role_given_concerns_its_tenant(
    database: Database, told: list[GrantsChange], member: Membership
) -> None:
    async with database.system("test", NO_RUNTIME) as session:
        role = RoleRow(tenant_id=member.tenant_id, key="a", title="A")
        session.add(role)
        await session.flush()
        session.add(MembershipRole(tenant_id=member.tenant_id, membership_id=member.id, role_id=role.id))
    assert told == [GrantsChange(tenants={member.tenant_id})]


async def test_a_user_who_is_locked_out_is_named(
    database: Database, told: list[GrantsChange], member: Membership
) -> None:
    async with database.system("test", NO_RUNTIME) as session:
        user = await session.get(User, member.user_id)
        assert user is not None
        user.active = False
    assert told == [GrantsChange(users={member.user_id})]


async def test_a_change_by_statement_concerns_everybody(database: Database, told: list[GrantsChange]) -> None:
    async with database.system("test", NO_RUNTIME) as session:
        await session.exec(update(User).where(col(User.id) == uuid7()).values(active=False))
    assert told == [GrantsChange(everybody=True)]


async def test_what_changes_no_rights_is_not_told(
    database: Database, told: list[GrantsChange], member: Membership
) -> None:
    async with database.system("test", NO_RUNTIME) as session:
        user = await session.get(User, member.user_id)
        assert user is not None
        user.version += 1
        session.add(User(email=f"{secrets.token_hex(6)}@example.com"))
    assert told == []


async def test_what_is_rolled_back_is_not_told(
    database: Database, told: list[GrantsChange], member: Membership
) -> None:
    async def fail() -> None:
        async with database.system("test", NO_RUNTIME) as session:
            user = await session.get(User, member.user_id)
            assert user is not None
            user.active = False
            await session.flush()
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert told == []


@pytest.mark.parametrize("text", ["", "{}", "null", "[]", '{"users": ["x"], "tenants": []}', '{"users": 1}'])
def test_a_word_that_cannot_be_read_concerns_everybody(text: str) -> None:
    assert GrantsChange.from_text(text) == GrantsChange(everybody=True)


def test_words_are_read_as_they_were_written() -> None:
    change = GrantsChange(users={uuid7()}, tenants={uuid7()})
    assert GrantsChange.from_text(change.as_text()) == change
    many = GrantsChange(users={uuid7() for _ in range(51)})
    assert GrantsChange.from_text(many.as_text()) == GrantsChange(everybody=True)
