"""The routes of who may do what: from permissions and members to API keys and identity providers."""

from riveredge_kernel.auth.assembly import AuthParts
from riveredge_kernel.auth.delegation import Delegation
from riveredge_kernel.auth.explain import Explainer
from riveredge_kernel.auth.invitation_routes import invitation_router
from riveredge_kernel.auth.key_routes import all_keys_router, own_keys_router
from riveredge_kernel.auth.key_service import KeyService
from riveredge_kernel.auth.members import MemberService, member_router
from riveredge_kernel.auth.oidc.providers import ProviderService, provider_router
from riveredge_kernel.auth.roles import RoleService, permission_router, role_router
from riveredge_kernel.auth.service_account_keys import service_account_keys_router
from riveredge_kernel.auth.service_accounts import ServiceAccountService, service_account_router
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.settings import AuthSettings
from riveredge_kernel.tenancy.directory import TenantDirectory
from riveredge_sdk.http import Router


def access_routers(
    plugins: PluginHost, tenants: TenantDirectory, auth: AuthParts, settings: AuthSettings
) -> list[Router]:
    """The routes, in the order of the API's document."""
    grants, keys = auth.grants, auth.keys
    explainer = Explainer(plugins, tenants)
    key_service = KeyService(keys, Delegation(grants), settings)
    return [
        permission_router(plugins),
        role_router(RoleService(plugins, grants)),
        member_router(MemberService(grants, explainer)),
        invitation_router(auth.invitations),
        service_account_router(ServiceAccountService(grants, keys, explainer)),
        service_account_keys_router(grants, key_service),
        own_keys_router(key_service),
        all_keys_router(key_service, explainer),
        provider_router(ProviderService(auth.oidc, auth.sessions, tenants, grants)),
    ]
