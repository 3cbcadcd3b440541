"""What the kernel itself counts."""

from sqlmodel import col, func, select

from riveredge_kernel.auth.invitations import Invitation
from riveredge_kernel.auth.key_models import ApiKey, ServiceAccount
from riveredge_kernel.auth.models import Membership
from riveredge_sdk.models import utcnow
from riveredge_sdk.quotas import Quota
from riveredge_sdk.uow import session

MEMBERS, SERVICE_ACCOUNTS, API_KEYS = "kernel.members", "kernel.service_accounts", "kernel.api_keys"


async def _members() -> int:
    members = (await session().exec(select(func.count(col(Membership.id))))).one()
    waiting = col(Invitation.accepted_at).is_(None), col(Invitation.expires_at) > utcnow()
    return members + (await session().exec(select(func.count(col(Invitation.id))).where(*waiting))).one()


async def _service_accounts() -> int:
    return (await session().exec(select(func.count(col(ServiceAccount.id))))).one()


async def _api_keys() -> int:
    good = col(ApiKey.revoked_at).is_(None), col(ApiKey.expires_at) > utcnow()
    return (await session().exec(select(func.count(col(ApiKey.id))).where(*good))).one()


QUOTAS = (
    Quota(MEMBERS, "Members", _members, "Open invitations count, too."),
    Quota(SERVICE_ACCOUNTS, "Service accounts", _service_accounts),
    Quota(API_KEYS, "API keys", _api_keys, "Those that have expired or were revoked do not count."),
)
