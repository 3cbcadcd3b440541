"""The kernel's own contributions, in the same form as any plugin's."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from riveredge_kernel.archives.models import Archive, ArchivePart, Import, ImportPart
from riveredge_kernel.archives.receiving import IMPORT_REQUESTED
from riveredge_kernel.archives.work import ARCHIVE_REQUESTED
from riveredge_kernel.audit.models import AuditEntry, AuditMaintenance
from riveredge_kernel.auth.invitations import INVITATION_MAIL_REQUESTED, Invitation
from riveredge_kernel.auth.key_models import ApiKey, ServiceAccount, ServiceAccountRole
from riveredge_kernel.auth.mail_templates import TEMPLATES
from riveredge_kernel.auth.mails import ACCOUNT_MAIL_REQUESTED
from riveredge_kernel.auth.models import Membership, MembershipRole, RoleRow, User
from riveredge_kernel.auth.oidc.models import Identity, IdentityProvider, OidcAttempt
from riveredge_kernel.auth.one_time import OneTimeToken
from riveredge_kernel.auth.permissions import PERMISSIONS, ROLES
from riveredge_kernel.auth.second_factor import RecoveryCode, Totp
from riveredge_kernel.auth.service import SIGN_IN_FAILED
from riveredge_kernel.auth.session_models import RefreshToken, UserSession
from riveredge_kernel.events.models import OutboxEvent
from riveredge_kernel.functions.models import Rerun, Run, RunStep
from riveredge_kernel.functions.reconcile import RECONCILE_REQUESTED
from riveredge_kernel.functions.rerun import RERUN_REQUESTED
from riveredge_kernel.functions.topics import TOPICS
from riveredge_kernel.http.models import IdempotencyRecord
from riveredge_kernel.limits.models import LimitCounter
from riveredge_kernel.limits.own import QUOTAS
from riveredge_kernel.stream.models import StreamChannel, StreamMessage, StreamTicket
from riveredge_kernel.tenancy.deletion import ERASURE_DUE
from riveredge_kernel.tenancy.models import Tenant, TenantPlugin, TenantSettingsRow
from riveredge_kernel.tenancy.policy import OrganisationPolicy
from riveredge_kernel.timers.functions import EVENT_TYPES
from riveredge_kernel.timers.models import Heartbeat, Timer
from riveredge_sdk.contributions import Health, HealthCheck, Permission, Role
from riveredge_sdk.events import EventType
from riveredge_sdk.features.messaging import MessageTemplateSpec
from riveredge_sdk.features.tenants import MEMBER_LEFT, PLUGIN_SWITCHED
from riveredge_sdk.functions import FunctionSpec
from riveredge_sdk.models import PlatformModel, TenantModel
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.ports import Service
from riveredge_sdk.quotas import Quota
from riveredge_sdk.settings import TenantSettings
from riveredge_sdk.stream import StreamTopic
from riveredge_sdk.timers import DueRows


class KernelPlugin(Plugin):
    """Always on. Its parts are handed in, because they belong to one platform of this process."""

    id = "kernel"
    title = "Kernel"

    def __init__(self) -> None:
        self.checks: list[HealthCheck] = []
        self.own_functions: Sequence[FunctionSpec[Any]] = ()
        self.own_sources: Sequence[DueRows] = ()
        self.own_services: Sequence[Service[Any]] = ()

    def models(self) -> Iterable[type[TenantModel] | type[PlatformModel]]:
        return (
            Tenant,
            TenantPlugin,
            TenantSettingsRow,
            User,
            Membership,
            RoleRow,
            MembershipRole,
            ServiceAccount,
            ServiceAccountRole,
            ApiKey,
            UserSession,
            OneTimeToken,
            Totp,
            RecoveryCode,
            Invitation,
            RefreshToken,
            LimitCounter,
            IdentityProvider,
            Identity,
            OidcAttempt,
            OutboxEvent,
            Run,
            RunStep,
            Rerun,
            IdempotencyRecord,
            Timer,
            Heartbeat,
            StreamChannel,
            StreamMessage,
            StreamTicket,
            AuditEntry,
            AuditMaintenance,
            Archive,
            ArchivePart,
            Import,
            ImportPart,
        )

    def permissions(self) -> Iterable[Permission]:
        return PERMISSIONS

    def roles(self) -> Iterable[Role]:
        return ROLES

    def functions(self) -> Iterable[FunctionSpec[Any]]:
        return self.own_functions

    def event_types(self) -> Iterable[EventType[Any]]:
        return (
            *EVENT_TYPES,
            RECONCILE_REQUESTED,
            RERUN_REQUESTED,
            ACCOUNT_MAIL_REQUESTED,
            INVITATION_MAIL_REQUESTED,
            ARCHIVE_REQUESTED,
            IMPORT_REQUESTED,
            ERASURE_DUE,
            SIGN_IN_FAILED,
            PLUGIN_SWITCHED,
            MEMBER_LEFT,
        )

    def timer_sources(self) -> Iterable[DueRows]:
        return self.own_sources

    def tenant_settings(self) -> Iterable[type[TenantSettings]]:
        return (OrganisationPolicy,)

    def quotas(self) -> Iterable[Quota]:
        return QUOTAS

    def stream_topics(self) -> Iterable[StreamTopic]:
        return TOPICS

    def services(self) -> Iterable[Service[Any]]:
        return self.own_services

    def message_templates(self) -> Iterable[MessageTemplateSpec]:
        return TEMPLATES

    def health(self) -> Iterable[HealthCheck]:
        return self.checks

    def add_check(self, name: str, title: str, check: Callable[[], Awaitable[Health]], *, critical: bool) -> None:
        """Add a health check of one of the kernel's parts."""
        self.checks.append(HealthCheck(f"kernel.{name}", title, check, critical))
