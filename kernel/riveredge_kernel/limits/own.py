"""What the kernel itself counts."""

from sqlalchemy import and_
from sqlmodel import col, func, select

from riveredge_kernel.archives.models import Archive, ArchiveKind, ArchivePart
from riveredge_kernel.archives.work import EXPORTS
from riveredge_kernel.auth.invitations import Invitation
from riveredge_kernel.auth.key_models import ApiKey, ServiceAccount
from riveredge_kernel.auth.models import Membership
from riveredge_sdk.models import utcnow
from riveredge_sdk.quotas import Quota
from riveredge_sdk.uow import session

MEMBERS, SERVICE_ACCOUNTS, API_KEYS = "kernel.members", "kernel.service_accounts", "kernel.api_keys"
# Over all plugins: the sum of what is counted in bytes.
STORAGE = "kernel.storage"


async def _members() -> int:
    members = (await session().exec(select(func.count(col(Membership.id))))).one()
    waiting = col(Invitation.accepted_at).is_(None), col(Invitation.expires_at) > utcnow()
    return members + (await session().exec(select(func.count(col(Invitation.id))).where(*waiting))).one()


async def _service_accounts() -> int:
    return (await session().exec(select(func.count(col(ServiceAccount.id))))).one()


async def _api_keys() -> int:
    good = col(ApiKey.revoked_at).is_(None), col(ApiKey.expires_at) > utcnow()
    return (await session().exec(select(func.count(col(ApiKey.id))).where(*good))).one()


async def _exports() -> int:
    size = func.coalesce(func.sum(func.length(col(ArchivePart.content))), 0)
    mine = col(Archive.id) == col(ArchivePart.archive_id), col(Archive.kind) == ArchiveKind.TENANT_EXPORT
    return int((await session().exec(select(size).select_from(ArchivePart).join(Archive, and_(*mine)))).one())


QUOTAS = (
    Quota(MEMBERS, "Members", _members, "Open invitations count, too."),
    Quota(SERVICE_ACCOUNTS, "Service accounts", _service_accounts),
    Quota(EXPORTS, "Exports", _exports, "Those that can be downloaded.", unit="bytes"),
    Quota(STORAGE, "Storage", None, "Everything that is counted in bytes, together.", unit="bytes"),
    Quota(API_KEYS, "API keys", _api_keys, "Those that have expired or were revoked do not count."),
)
