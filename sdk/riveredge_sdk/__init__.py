"""The contract of RiverEdge plugins. What is exported here and in the named modules is public; nothing else is."""

from riveredge_sdk import timers
from riveredge_sdk.auth import Principal, current_principal
from riveredge_sdk.context import Context, current_context, current_tenant
from riveredge_sdk.contributions import (
    Command,
    Health,
    HealthCheck,
    HookSpecs,
    NavItem,
    Permission,
    Role,
    StaticApp,
)
from riveredge_sdk.events import EventType
from riveredge_sdk.filters import Filter, FilterField, FilterSet
from riveredge_sdk.functions import Cron, CronTick, FunctionContext, FunctionSpec, PerTenant, Subject
from riveredge_sdk.http import Body, ExpectedVersion, ListQuery, Page, Resource, Router
from riveredge_sdk.models import (
    METADATA,
    PlatformModel,
    TenantModel,
    plugin_registry,
    tenant_fk,
    utcnow,
    uuid7,
)
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.ports import Port, Service, find_service, get_service
from riveredge_sdk.problems import Problem
from riveredge_sdk.repository import Repository
from riveredge_sdk.runtime import contributions
from riveredge_sdk.settings import PluginSettings, TenantSettings, plugin_settings, tenant_settings
from riveredge_sdk.stream import StreamTopic, push
from riveredge_sdk.tenancy import TenantWallError, raw_sql_reviewed
from riveredge_sdk.uow import publish, read_session, savepoint, session, unit_of_work

# The version of this contract. The first number grows when something that was promised changes or goes.
API_VERSION = "1.0"

__all__ = [
    "API_VERSION",
    "METADATA",
    "Body",
    "Command",
    "Context",
    "Cron",
    "CronTick",
    "EventType",
    "ExpectedVersion",
    "Filter",
    "FilterField",
    "FilterSet",
    "FunctionContext",
    "FunctionSpec",
    "Health",
    "HealthCheck",
    "HookSpecs",
    "ListQuery",
    "NavItem",
    "Page",
    "PerTenant",
    "Permission",
    "PlatformModel",
    "Plugin",
    "PluginSettings",
    "Port",
    "Principal",
    "Problem",
    "Repository",
    "Resource",
    "Role",
    "Router",
    "Service",
    "StaticApp",
    "StreamTopic",
    "Subject",
    "TenantModel",
    "TenantSettings",
    "TenantWallError",
    "contributions",
    "current_context",
    "current_principal",
    "current_tenant",
    "find_service",
    "get_service",
    "plugin_registry",
    "plugin_settings",
    "publish",
    "push",
    "raw_sql_reviewed",
    "read_session",
    "savepoint",
    "session",
    "tenant_fk",
    "tenant_settings",
    "timers",
    "unit_of_work",
    "utcnow",
    "uuid7",
]
