"""Principals and what they may do.

A permission is `<plugin>.<thing>.<verb>` (`messaging.template.write`), contributed by the plugin that checks it.
Permissions are exact: there are no wildcards. Roles are bundles of permissions that plugins offer as a start.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from riveredge_sdk.context import current_context
from riveredge_sdk.ports import Port, get_service
from riveredge_sdk.problems import Forbidden, Unauthorized

PrincipalKind = Literal["user", "service", "system"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who acts, in one tenant.

    `id` is the user's or service account's id. `permissions` is the effective set in `tenant_id`; it is empty for a
    signed-in user who has not chosen a tenant. `api_key_id` is set if it came with an API key instead of signing in.
    `tenant_bound` says that only the tenant's own identity provider vouches for it: whatever concerns the account
    beyond this tenant is closed to it. `second_factor` says that its session has shown one.
    """

    id: UUID
    kind: PrincipalKind = "user"
    name: str = ""
    tenant_id: UUID | None = None
    session_id: UUID | None = None
    api_key_id: UUID | None = None
    tenant_bound: bool = False
    second_factor: bool = False
    permissions: frozenset[str] = field(default_factory=frozenset)

    def may(self, permission: str) -> bool:
        return permission in self.permissions

    def require(self, permission: str) -> None:
        """Raise `Forbidden` unless this principal holds `permission`."""
        if permission not in self.permissions:
            raise Forbidden(
                f"This needs the permission {permission!r}. Ask an administrator for a role that has it.",
                extensions={"permission": permission},
            )


def current_principal() -> Principal:
    """The signed-in principal.

    Raises:
        Unauthorized: nobody is signed in.
        NoContextError: outside of requests and function runs.
    """
    principal = current_context().principal
    if principal is None:
        raise Unauthorized("Send an access token: `Authorization: Bearer …`.")
    return principal


class Reauthenticated(BaseModel):
    """Somebody has proven who they are. Keep it with what they have done.

    `shown` is what they proved it by: `password`, `totp`, `recovery_code`, or `session` for a sign-in minutes before.
    """

    model_config = ConfigDict(frozen=True)

    user_id: UUID
    at: datetime
    shown: tuple[str, ...]


class ReauthenticationRequired(Forbidden):
    """The answer that tells a client to ask for the password and come again with a ticket."""

    code = "reauthentication-required"
    title = "Prove that it is you"

    def __init__(self, *, purpose: str, content_hash: str) -> None:
        super().__init__(
            "This needs a ticket that was not used before: POST /api/v1/auth/tickets with this purpose and "
            "content_hash, and your password.",
            extensions={"purpose": purpose, "content_hash": content_hash},
        )


class Reauthentication(Protocol):
    """The port's interface."""

    async def redeem(self, ticket: str | None, *, purpose: str, content_hash: str) -> Reauthenticated: ...


REAUTHENTICATION: Port[Reauthentication] = Port("kernel.reauthentication", version=1)


async def redeem_ticket(ticket: str | None, *, purpose: str, content_hash: str) -> Reauthenticated:
    """Demand that the current user has proven, minutes ago, who they are, and meant exactly this::

        digest = "sha256:" + hashlib.sha256(document).hexdigest()
        proof = await redeem_ticket(body.ticket, purpose="contracts.sign", content_hash=digest)

    The ticket is used up in the running unit of work: with what it was for, or not at all.

    Args:
        ticket: what the client sent; None asks it to get one.
        purpose: `<plugin>.<act>`.
        content_hash: what the act is about, computed here from what is really there, never taken from the client.

    Raises:
        ReauthenticationRequired: there is no ticket, or it is for another user, tenant, purpose or content, too old, or
            used; or an API key asks, which nobody can be behind.
    """
    return await get_service(REAUTHENTICATION).redeem(ticket, purpose=purpose, content_hash=content_hash)
