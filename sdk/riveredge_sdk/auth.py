"""Principals and what they may do.

A permission is `<plugin>.<thing>.<verb>` (`messaging.template.write`), contributed by the plugin that checks it.
Permissions are exact: there are no wildcards. Roles are bundles of permissions that plugins offer as a start.
"""

from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from riveredge_sdk.context import current_context
from riveredge_sdk.problems import Forbidden, Unauthorized

PrincipalKind = Literal["user", "service", "system"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who acts, in one tenant.

    `id` is the user's or service account's id. `permissions` is the effective set in `tenant_id`; it is empty for a
    signed-in user who has not chosen a tenant. `api_key_id` is set if it came with an API key instead of signing in.
    `tenant_bound` says that only the tenant's own identity provider vouches for it: whatever concerns the account
    beyond this tenant is closed to it.
    """

    id: UUID
    kind: PrincipalKind = "user"
    name: str = ""
    tenant_id: UUID | None = None
    session_id: UUID | None = None
    api_key_id: UUID | None = None
    tenant_bound: bool = False
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
