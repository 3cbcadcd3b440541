"""What the platform holds about a person in one organisation: handed out, or erased. Plugins answer for themselves."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import delete, or_, update
from sqlmodel import col, select

from riveredge_kernel.archives.manifest import Chunk
from riveredge_kernel.archives.models import Archive, ArchiveKind, ArchivePart
from riveredge_kernel.archives.work import Archives, PartsFailedError
from riveredge_kernel.audit.log import maintenance
from riveredge_kernel.audit.models import AuditEntry
from riveredge_kernel.auth.grants import Grants
from riveredge_kernel.auth.invitations import Invitation
from riveredge_kernel.auth.key_models import ApiKey
from riveredge_kernel.auth.leaving import tell_left, telling
from riveredge_kernel.auth.models import Membership, MembershipRole, RoleRow, User
from riveredge_kernel.auth.oidc.models import Identity
from riveredge_kernel.auth.session_models import UserSession
from riveredge_kernel.http.models import IdempotencyRecord
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.tenancy.erasure import forget_accounts
from riveredge_sdk.context import current_tenant
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.runtime import Runtime
from riveredge_sdk.uow import session, unit_of_work

_KERNEL = "kernel"
_KEPT_SECRET = {"digest", "token_hash", "password_hash", "tenant_id", "version"}


class PersonalData:
    """Asks every plugin, each in a transaction of its own: one that fails keeps the others from nothing.

    Args:
        hook_seconds: how long one plugin may take.
    """

    def __init__(self, runtime: Runtime, plugins: PluginHost, grants: Grants, *, hook_seconds: float) -> None:
        self._runtime = runtime
        self._plugins = plugins
        self._grants = grants
        self._seconds = hook_seconds

    async def export(self, archive: Archive) -> AsyncGenerator[Chunk, None]:
        """One JSON file of the kernel, and one of each plugin that holds something."""
        user_id = _user_of(archive)
        own = archive.requested_by_id == user_id
        yield _json("kernel.json", await _in_unit(lambda: _kernel_data(user_id, own=own)))
        for plugin in self._asked("export_personal_data"):
            found = await self._ask(archive, plugin, plugin.export_personal_data, user_id)
            if found is not None:
                yield _json(f"plugins/{plugin.id}.json", found)
        _raise_failures(archive)

    async def erase(self, archive: Archive) -> AsyncGenerator[Chunk, None]:
        """Erase it, plugin by plugin and the kernel's last; a report of how many rows that touched.

        What proves what was done stays, without the person: audit entries bear a pseudonym then, the archive's id.
        """
        if archive.user_id is None:
            # All was done, and only the report was lost on the way.
            yield _json("report.json", {"rows": archive.erased})
            return
        user_id = archive.user_id
        for plugin in self._asked("erase_personal_data"):
            await self._ask(archive, plugin, partial(_erase_counted, archive.id, plugin), user_id)
        _raise_failures(archive)
        yield _json("report.json", {"rows": await self._erase_kernel(archive, user_id)})

    def _asked(self, hook: str) -> Iterable[Plugin]:
        """The plugins that answer, switched off ones too: they keep their data."""
        for plugin in self._plugins.active:
            if getattr(type(plugin), hook) is not getattr(Plugin, hook):
                yield plugin

    async def _ask(
        self, archive: Archive, plugin: Plugin, hook: Callable[[UUID], Awaitable[Any]], user_id: UUID
    ) -> Any:
        try:
            async with asyncio.timeout(self._seconds):
                return await _in_unit(lambda: hook(user_id))
        except Exception as error:  # noqa: BLE001  (a plugin's code; it is told, and asked again)
            archive.failures = {**archive.failures, plugin.id: f"{type(error).__name__}: {error}"[:500]}
            return None

    async def _erase_kernel(self, archive: Archive, user_id: UUID) -> dict[str, int]:
        tenant_id = archive.tenant_id
        count = 0
        async with telling(self._runtime, "erase person") as db:
            member = select(Membership).where(
                col(Membership.tenant_id) == tenant_id, col(Membership.user_id) == user_id
            )
            row = (await db.exec(member)).one_or_none()
            if row is not None and row.active:
                tell_left(user_id, "erased", tenant_id=tenant_id)
            names = [str(user_id), *([str(row.id)] if row else [])]
            email = (await db.exec(select(User.email).where(col(User.id) == user_id))).one_or_none() or ""
            exports = select(Archive.id).where(
                col(Archive.tenant_id) == tenant_id,
                col(Archive.user_id) == user_id,
                col(Archive.kind) == ArchiveKind.PERSONAL_EXPORT,
            )
            for statement in (
                delete(MembershipRole).where(col(MembershipRole.membership_id) == (row.id if row else None)),
                delete(Membership).where(col(Membership.id) == (row.id if row else None)),
                _of(ApiKey, tenant_id, col(ApiKey.user_id) == user_id),
                _of(Identity, tenant_id, col(Identity.user_id) == user_id),
                _of(IdempotencyRecord, tenant_id, col(IdempotencyRecord.principal_id) == user_id),
                _of(Invitation, tenant_id, or_(col(Invitation.accepted_by) == user_id, col(Invitation.email) == email)),
                _of(ArchivePart, tenant_id, col(ArchivePart.archive_id).in_(exports)),
                _of(Archive, tenant_id, col(Archive.id).in_(exports)),
            ):
                count += (await db.exec(statement)).rowcount
            count += await _pseudonymise(db, archive, user_id, names)
            here = col(UserSession.user_id) == user_id, col(UserSession.acting_tenant_id) == tenant_id
            count += (await db.exec(delete(UserSession).where(*here))).rowcount
            count += await forget_accounts(db, [user_id])
            asked = (await db.exec(select(Archive).where(col(Archive.id) == archive.id).with_for_update())).one()
            _add(asked, _KERNEL, count)
            asked.user_id = None
            if asked.requested_by_id == user_id:
                asked.requested_by_id = None
            rows = dict(asked.erased)
        self._grants.invalidate()
        return rows


def _of(model: Any, tenant_id: UUID, condition: Any) -> Any:
    return delete(model).where(col(model.tenant_id) == tenant_id, condition)


async def _pseudonymise(db: Any, archive: Archive, user_id: UUID, names: list[str]) -> int:
    """Take the person out of the organisation's audit entries, which hang together by the pseudonym all the same."""
    here = col(AuditEntry.tenant_id) == archive.tenant_id
    async with maintenance(db, "erase person"):
        acted = update(AuditEntry).where(here, col(AuditEntry.actor_id) == user_id)
        done = await db.exec(acted.values(actor_id=archive.id, actor_name="", address=None))
        about = update(AuditEntry).where(here, col(AuditEntry.object_id).in_(names))
        told = await db.exec(about.values(object_id=str(archive.id), object_title=""))
    return int(done.rowcount + told.rowcount)


async def _erase_counted(archive_id: UUID, plugin: Plugin, user_id: UUID) -> None:
    """Let a plugin erase, and count in its transaction: what is erased after a crash is counted on top."""
    touched: Any = await plugin.erase_personal_data(user_id)
    _add(await Archives().get(archive_id, lock=True), plugin.id, touched if isinstance(touched, int) else 0)


def _add(archive: Archive, what: str, count: int) -> None:
    archive.erased = {**archive.erased, what: archive.erased.get(what, 0) + count}


def _user_of(archive: Archive) -> UUID:
    assert archive.user_id is not None  # noqa: S101  (such archives are about somebody)
    return archive.user_id


def _raise_failures(archive: Archive) -> None:
    if archive.failures:
        raise PartsFailedError(", ".join(f"{plugin}: {why}" for plugin, why in archive.failures.items())[:1500])


async def _in_unit(work: Callable[[], Awaitable[Any]]) -> Any:
    async with unit_of_work():
        return await work()


def _json(name: str, content: Any) -> Chunk:
    return Chunk(name, json.dumps(content, ensure_ascii=False, indent=1, default=str).encode() + b"\n")


async def _kernel_data(user_id: UUID, *, own: bool) -> dict[str, Any]:
    """What the kernel holds. `own`: the person asks, so what is beyond this organisation is told as well."""
    db, here = session(), current_tenant()
    user = (await db.exec(select(User).where(col(User.id) == user_id))).one()
    sessions = select(UserSession).where(col(UserSession.user_id) == user_id)
    roles = (
        select(RoleRow.key)
        .join(MembershipRole, col(MembershipRole.role_id) == col(RoleRow.id))
        .join(Membership, col(Membership.id) == col(MembershipRole.membership_id))
        .where(col(Membership.user_id) == user_id)
    )

    async def rows(model: Any, *where: Any) -> list[dict[str, Any]]:
        return [_shown(row) for row in (await db.exec(select(model).where(*where))).all()]

    return {
        "account": _shown(user),
        "memberships": await rows(Membership, col(Membership.user_id) == user_id),
        "roles": list((await db.exec(roles)).all()),
        "sessions": [
            _shown(row)
            for row in (
                await db.exec(sessions if own else sessions.where(col(UserSession.acting_tenant_id) == here))
            ).all()
        ],
        "api_keys": await rows(ApiKey, col(ApiKey.user_id) == user_id),
        "identities": await rows(Identity, col(Identity.user_id) == user_id),
        "invitations": await rows(Invitation, Invitation.email == user.email),
        "audit": await rows(AuditEntry, col(AuditEntry.actor_id) == user_id),
    }


def _shown(row: Any) -> dict[str, Any]:
    return dict(row.model_dump(mode="json", exclude=_KEPT_SECRET))
