"""Nobody gives what they do not hold, and nobody takes away what they could not have given."""

from collections.abc import Iterable

from sqlmodel import col, select

from riveredge_kernel.auth.grants import Grants
from riveredge_kernel.auth.models import Membership, MembershipRole, RoleRow, User
from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.tenancy.policy import OrganisationPolicy
from riveredge_sdk.auth import current_principal
from riveredge_sdk.problems import Conflict, FieldError, Forbidden, Invalid, invalid_field
from riveredge_sdk.settings import tenant_settings
from riveredge_sdk.uow import session

_NAMED = 10


class Delegation:
    """The rules for whoever hands out roles, permissions and keys. What an API key may give is what it may do."""

    def __init__(self, grants: Grants) -> None:
        self._grants = grants

    def known(self, permissions: Iterable[str]) -> None:
        """Raise `Invalid`, naming each, if there are permissions that nobody contributes."""
        everything = self._grants.everything()
        unknown = [
            FieldError(f"permissions.{index}", f"There is no permission {name[:100]!r}.", "unknown_permission")
            for index, name in enumerate(permissions)
            if name not in everything
        ]
        if unknown:
            raise Invalid(f"{len(unknown)} unknown permission(s); GET /api/v1/permissions lists them.", errors=unknown)

    def held(self, permissions: Iterable[str], what: str = "You cannot give what you do not hold") -> None:
        """Raise `Forbidden`, naming what is missing, unless the principal holds them all."""
        missing = sorted(set(permissions) - current_principal().permissions)
        if missing:
            more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
            named = ", ".join(missing[:_NAMED]) + more
            raise Forbidden(f"{what}: {named}.", extensions={"missing_permissions": missing})

    def moved(self, before: Iterable[str], after: Iterable[str]) -> None:
        """Raise `Forbidden` unless the principal holds every permission in which the two differ.

        One whose plugin is gone opens nothing, and may be taken out by anybody.
        """
        self.held(
            (set(before) ^ set(after)) & self._grants.everything(),
            "You can neither give nor take a permission that you do not hold",
        )

    def roles_held(self, roles: Iterable[RoleRow]) -> None:
        """Raise `Forbidden` unless the principal holds everything that the roles allow."""
        for role in roles:
            self.held(
                self._grants.of_roles([role]),
                f"The role {role.key!r} allows more than you may do; ask somebody who holds it to give or take it. "
                "You do not hold",
            )

    def roles_moved(self, before: Iterable[RoleRow], after: Iterable[RoleRow], *, switched: bool = False) -> None:
        """Raise `Forbidden` unless the principal holds what every role given or taken allows.

        Args:
            switched: the holder is let in or kept out, and so gains or loses all roles at once.
        """
        old, new = {role.id: role for role in before}, {role.id: role for role in after}
        moved = old.keys() | new.keys() if switched else old.keys() ^ new.keys()
        self.roles_held((old | new)[role_id] for role_id in moved)


async def roles_by_key(keys: Iterable[str], *, field: str = "roles") -> list[RoleRow]:
    """The roles of the current tenant with these keys.

    Raises:
        Invalid: there is no such role.
    """
    wanted = list(dict.fromkeys(keys))
    found = {r.key: r for r in await session().exec(select(RoleRow).where(col(RoleRow.key).in_(wanted)))}
    for index, key in enumerate(wanted):
        if key not in found:
            raise invalid_field(f"{field}.{index}", f"There is no role {key!r} here.", "unknown_role")
    return list(found.values())


async def check_domain(email: str) -> None:
    """Raise `Invalid` if the organisation lets in addresses of other domains only."""
    policy = await tenant_settings(OrganisationPolicy)
    if policy.invitation_domains and email.rpartition("@")[2] not in policy.invitation_domains:
        allowed = ", ".join(policy.invitation_domains)
        raise invalid_field("email", f"Only addresses of {allowed} are let in here.", "email_domain")


async def keep_an_administrator() -> None:
    """Raise `Conflict` if no active member holds the administrator's role any more."""
    # One change at a time: two that each take away another administrator would not see each other.
    role = select(RoleRow).where(col(RoleRow.key) == ADMINISTRATOR)
    await session().exec(role.with_for_update())
    held = (
        select(Membership.id)
        .join(User, col(User.id) == col(Membership.user_id))
        .join(MembershipRole, col(MembershipRole.membership_id) == col(Membership.id))
        .join(RoleRow, col(RoleRow.id) == col(MembershipRole.role_id))
        .where(col(RoleRow.key) == ADMINISTRATOR, col(Membership.active).is_(True), col(User.active).is_(True))
        .limit(1)
    )
    if (await session().exec(held)).first() is None:
        raise Conflict("An organisation keeps at least one active administrator. Make somebody else one first.")
