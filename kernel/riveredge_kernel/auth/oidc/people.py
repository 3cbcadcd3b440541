"""From what a provider says about somebody to a member of the tenant, and to the roles of their groups.

Who is known by the provider's own id is that user. Somebody new is linked to an account by their address, and only if
all of this is so: the provider says that the address is verified (or the tenant vouches for the provider's addresses),
its domain is one that the tenant has named, if it has named any, the account is not linked to somebody else there, and
it is a member of the tenant already; others are made members only where the tenant lets the provider do so, and never
with an account that somebody else may have made under their address. Whoever was shut out stays out.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import delete
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from riveredge_kernel.auth.models import Membership, MembershipRole, RoleRow, User
from riveredge_kernel.auth.oidc.models import Identity, IdentityProvider
from riveredge_kernel.auth.oidc.protocol import OidcError
from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.tenancy.provisioning import checked_email
from riveredge_sdk.models import utcnow
from riveredge_sdk.problems import Invalid

log = structlog.get_logger(__name__)

_MAX_GROUPS = 2000


async def member_for(session: AsyncSession, provider: IdentityProvider, claims: Mapping[str, Any]) -> UUID:
    """The id of the user who signs in, made a member and linked if need be, with the roles of their groups.

    Works across tenants' walls, so it names the provider's tenant in every statement.

    Raises:
        OidcError: the person is not let in.
    """
    subject = str(claims["sub"])
    query = select(Identity).where(
        col(Identity.tenant_id) == provider.tenant_id,
        col(Identity.provider_id) == provider.id,
        col(Identity.subject) == subject,
    )
    identity = (await session.exec(query)).one_or_none()
    if identity is None:
        identity = await _link(session, provider, subject, claims)
    user = (await session.exec(select(User).where(col(User.id) == identity.user_id))).one()
    member = await _membership(session, provider.tenant_id, user.id)
    if not user.active or member is None or not member.active:
        raise OidcError("not_a_member", "the account or the membership is switched off")
    identity.last_used_at = utcnow()
    await _follow_groups(session, provider, member, _groups(claims, provider.groups_claim))
    return user.id


async def _link(session: AsyncSession, provider: IdentityProvider, subject: str, claims: Mapping[str, Any]) -> Identity:
    email = _email(provider, claims)
    user = (await session.exec(select(User).where(col(User.email) == email))).one_or_none()
    member = await _membership(session, provider.tenant_id, user.id) if user else None
    if user is not None and member is not None:
        if not provider.link_by_email:
            raise OidcError("not_linked", "accounts are not linked by address here")
        taken = select(Identity).where(
            col(Identity.tenant_id) == provider.tenant_id,
            col(Identity.provider_id) == provider.id,
            col(Identity.user_id) == user.id,
        )
        if (await session.exec(taken)).one_or_none() is not None:
            raise OidcError("linked_to_another", "the account is linked to another subject of this provider")
    elif not provider.provisions:
        raise OidcError("not_a_member", "the address belongs to no member, and the provider makes none")
    elif user is not None and user.password_hash is not None and user.email_verified_at is None:
        # Somebody may have made the account in another organisation to wait there for the owner of the address.
        raise OidcError("account_not_verified", "the account of this address has not proven that it is theirs")
    else:
        user = user or await _new_user(session, email, claims)
        member = Membership(tenant_id=provider.tenant_id, user_id=user.id)
        session.add(member)
        await session.flush()
        for role in await _roles(session, provider.tenant_id, provider.default_roles):
            session.add(MembershipRole(tenant_id=provider.tenant_id, membership_id=member.id, role_id=role.id))
    identity = Identity(
        tenant_id=provider.tenant_id, provider_id=provider.id, user_id=user.id, subject=subject, email=email
    )
    session.add(identity)
    await session.flush()
    log.info("identity_linked", tenant=str(provider.tenant_id), provider=provider.key, user=str(user.id))
    return identity


def _email(provider: IdentityProvider, claims: Mapping[str, Any]) -> str:
    told = claims.get("email")
    if not isinstance(told, str):
        raise OidcError("no_email", "the provider names no address; ask for the scope `email`")
    # Some providers write the flag as a text.
    verified = claims.get("email_verified")
    if verified is not True and verified != "true" and not provider.trusts_email:
        raise OidcError("email_not_verified", "the provider does not say that the address is verified")
    try:
        email = checked_email(told)
    except Invalid:
        raise OidcError("no_email", "the provider's address is none") from None
    if provider.email_domains and email.partition("@")[2] not in provider.email_domains:
        raise OidcError("email_domain", "addresses of this domain are not let in")
    return email


async def _new_user(session: AsyncSession, email: str, claims: Mapping[str, Any]) -> User:
    name = claims.get("name")
    shown = name.strip()[:200] if isinstance(name, str) and name.isprintable() else ""
    # Without a password: the provider's word counts in its own tenant only, so it sets none for the platform.
    user = User(email=email, name=shown or email.partition("@")[0])
    session.add(user)
    await session.flush()
    return user


async def _membership(session: AsyncSession, tenant_id: UUID, user_id: UUID) -> Membership | None:
    query = select(Membership).where(col(Membership.tenant_id) == tenant_id, col(Membership.user_id) == user_id)
    return (await session.exec(query)).one_or_none()


async def _roles(session: AsyncSession, tenant_id: UUID, keys: Sequence[str]) -> Sequence[RoleRow]:
    query = select(RoleRow).where(col(RoleRow.tenant_id) == tenant_id, col(RoleRow.key).in_(keys))
    return (await session.exec(query)).all()


def _groups(claims: Mapping[str, Any], path: str) -> set[str]:
    """The person's groups: of the claim of this name, or of the one that the dots lead to (`realm_access.roles`)."""
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for part in path.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        found = [found]
    return {one for one in found[:_MAX_GROUPS] if isinstance(one, str)} if isinstance(found, list) else set()


async def _follow_groups(
    session: AsyncSession, provider: IdentityProvider, member: Membership, groups: set[str]
) -> None:
    """Give the roles of the groups and take those of the others; roles that no group gives are left alone."""
    if not provider.group_roles:
        return
    governed = {rule["role"] for rule in provider.group_roles}
    wanted = {rule["role"] for rule in provider.group_roles if rule["group"] in groups}
    roles = {role.id: role for role in await _roles(session, provider.tenant_id, sorted(governed))}
    query = select(MembershipRole).where(
        col(MembershipRole.tenant_id) == provider.tenant_id,
        col(MembershipRole.membership_id) == member.id,
        col(MembershipRole.role_id).in_(roles),
    )
    held = {row.role_id for row in (await session.exec(query)).all()}
    given = {role_id for role_id, role in roles.items() if role.key in wanted} - held
    taken = held - {role_id for role_id, role in roles.items() if role.key in wanted}
    for role_id in taken:
        if roles[role_id].key == ADMINISTRATOR and await _is_last(session, roles[role_id], member):
            log.warning("last_administrator_kept", tenant=str(provider.tenant_id), provider=provider.key)
            taken = taken - {role_id}
    if taken:
        gone = delete(MembershipRole).where(
            col(MembershipRole.tenant_id) == provider.tenant_id,
            col(MembershipRole.membership_id) == member.id,
            col(MembershipRole.role_id).in_(taken),
        )
        await session.exec(gone)
    for role_id in given:
        session.add(MembershipRole(tenant_id=provider.tenant_id, membership_id=member.id, role_id=role_id))
    if given or taken:
        member.updated_at = utcnow()


async def _is_last(session: AsyncSession, role: RoleRow, member: Membership) -> bool:
    """Whether nobody else who is active holds the role."""
    # One change at a time, as in `delegation.keep_an_administrator`.
    await session.exec(select(RoleRow).where(col(RoleRow.id) == role.id).with_for_update())
    others = (
        select(Membership.id)
        .join(User, col(User.id) == col(Membership.user_id))
        .join(MembershipRole, col(MembershipRole.membership_id) == col(Membership.id))
        .where(
            col(MembershipRole.role_id) == role.id,
            col(Membership.id) != member.id,
            col(Membership.active).is_(True),
            col(User.active).is_(True),
        )
        .limit(1)
    )
    return (await session.exec(others)).first() is None
