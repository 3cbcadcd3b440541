"""What a session is for: one tenant, no tenant, or, through the kernel's hatch, all of them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from riveredge_sdk.context import NoTenantError, find_context
from riveredge_sdk.tenancy import TenantWallError

_KEY = "riveredge_scope"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """`tenant_id` None means that tenant tables can be neither read nor written, unless `system` is set."""

    tenant_id: UUID | None = None
    read_only: bool = False
    system: bool = False

    def tenant(self) -> UUID:
        """The tenant.

        Raises:
            NoTenantError: the session serves none.
        """
        if self.tenant_id is None:
            raise NoTenantError("no tenant is being served here; tenant data can be neither read nor written")
        return self.tenant_id


def scope_of(session: Session) -> Scope:
    """The session's scope.

    Raises:
        TenantWallError: it was made without one, or is used under another tenant than it was opened for.
    """
    scope: Any = session.info.get(_KEY)
    if not isinstance(scope, Scope):
        raise TenantWallError("sessions come from the unit of work; this one was made by hand")
    context = find_context()
    if not scope.system and context is not None and context.tenant_id != scope.tenant_id:
        raise TenantWallError(f"a session of tenant {scope.tenant_id} was used while serving {context.tenant_id}")
    return scope


def scope_info(scope: Scope) -> dict[str, Scope]:
    """The `info` argument that gives a new session its scope."""
    return {_KEY: scope}
