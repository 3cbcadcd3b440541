"""The application, assembled. Read it from top to bottom: that is the order in which the platform comes together."""

import contextlib
from collections.abc import AsyncIterator, Sequence

from fastapi import FastAPI
from riveredge_kernel import health, logging
from riveredge_kernel.auth.authenticate import Authenticator
from riveredge_kernel.auth.routes import auth_router
from riveredge_kernel.auth.service import AuthService
from riveredge_kernel.auth.tokens import TokenService
from riveredge_kernel.db.database import Database
from riveredge_kernel.events.outbox import Outbox
from riveredge_kernel.events.relay import EventRelay
from riveredge_kernel.functions.host import FunctionHost
from riveredge_kernel.functions.routes import runs_router
from riveredge_kernel.http import openapi, problems, routing
from riveredge_kernel.http.gate import Gate
from riveredge_kernel.http.middleware import RequestMiddleware
from riveredge_kernel.kernel_plugin import KernelPlugin
from riveredge_kernel.platform import Platform
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.runtime import KernelRuntime
from riveredge_kernel.schema import fail_outdated
from riveredge_kernel.settings import Settings
from riveredge_kernel.tenancy.directory import TenantDirectory
from riveredge_kernel.tenancy.routes import tenancy_routers
from riveredge_kernel.tenancy.settings_store import SettingsStore
from riveredge_sdk.plugin import Plugin

API = "/api/v1"
