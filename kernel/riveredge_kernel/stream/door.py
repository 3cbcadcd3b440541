"""Who may come in, from which page, and what they may follow. The same is asked again while they are there."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from riveredge_kernel.http.gate import Authenticates
from riveredge_kernel.http.middleware import known_host
from riveredge_kernel.http.tenant_hint import tenant_hint
from riveredge_kernel.plugins.activation import is_on
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.settings import Settings
from riveredge_kernel.stream.follower import FORBIDDEN, SIGNED_OUT, Credential, Follower, Subscription, about
from riveredge_kernel.stream.hub import StreamHub
from riveredge_kernel.stream.tickets import StreamTickets
from riveredge_kernel.tenancy.directory import TenantDirectory, TenantInfo
from riveredge_kernel.tenancy.models import TenantStatus
from riveredge_kernel.tenancy.policy import check_second_factor
from riveredge_sdk.auth import Principal
from riveredge_sdk.context import Context, use_context
from riveredge_sdk.models import utcnow
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.problems import BadRequest, Forbidden, NotFound, Problem, TooManyRequests, Unauthorized, Unavailable
from riveredge_sdk.runtime import Runtime
from riveredge_sdk.stream import StreamTopic
from riveredge_sdk.uow import unit_of_work

MAX_SUBSCRIPTIONS = 100


class StreamDoor:
    """Lets connections in."""

    def __init__(
        self,
        settings: Settings,
        runtime: Runtime,
        *,
        plugins: PluginHost,
        tenants: TenantDirectory,
        authenticator: Authenticates,
        tickets: StreamTickets,
        hub: StreamHub,
    ) -> None:
        self._settings = settings
        self._runtime = runtime
        self.plugins = plugins
        self._tenants = tenants
        self._authenticator = authenticator
        self._tickets = tickets
        self._hub = hub
        self._topics: dict[str, tuple[str, StreamTopic]] | None = None

    async def enter(self, connection: HTTPConnection) -> Follower:
        """A follower for the connection, with a ticket or an access token.

        Raises:
            Problem: there is no entry; it says why.
        """
        if self._hub.draining:
            raise Unavailable("The process restarts. Connect again.", headers={"Retry-After": "1"})
        self._check_origin(connection)
        ticket = connection.query_params.get("ticket")
        address = connection.client.host if connection.client else None
        if ticket is not None:
            credential = await self._tickets.redeem(ticket, address)
        else:
            headers = connection.headers
            if "authorization" not in headers:
                raise Unauthorized("Send an access token, or a ticket from POST /api/v1/stream/tickets.")
            credential = Credential(
                headers["authorization"], tenant_hint(headers, self._settings.http.tenant_domain), address
            )
        principal, tenant = await self._look(credential)
        limits = self._settings.stream
        if self._hub.count() >= limits.max_connections:
            raise Unavailable("This process has as many streams as it may.", headers={"Retry-After": "5"})
        if self._hub.count(principal.id) >= limits.max_connections_per_user:
            raise TooManyRequests("You have as many streams open as you may.", headers={"Retry-After": "5"})
        return Follower(principal, tenant.id, credential)

    def _check_origin(self, connection: HTTPConnection) -> None:
        headers = connection.headers
        host = headers.get("host", "")
        if not known_host(host, self._settings.hosts):
            raise BadRequest("The platform is not reached under this Host.")
        origin = headers.get("origin")
        allowed = self._settings.http.cors_origins
        if origin is None or origin in allowed or "*" in allowed:
            return
        # The page is ours if it came from the host that this request goes to. The scheme is the proxy's business.
        if not host or urlsplit(origin).netloc.lower() != host.lower():
            raise Forbidden("Pages of this origin may not open a stream (RIVEREDGE_HTTP__CORS_ORIGINS).")

    async def _look(self, credential: Credential) -> tuple[Principal, TenantInfo]:
        principal = await self._authenticator.principal(
            credential.authorization, credential.tenant_hint, credential.address
        )
        if principal is None:
            raise Unauthorized("Send an access token.")
        tenant = await self._tenants.get(principal.tenant_id) if principal.tenant_id else None
        if tenant is None:
            raise Forbidden("Choose an organisation first: POST /api/v1/auth/token with its name.")
        if tenant.status != TenantStatus.ACTIVE:
            raise Forbidden("This organisation is suspended.")
        check_second_factor(tenant.policy, principal, utcnow())
        return principal, tenant

    async def admit(self, follower: Follower, topic_id: str, key: str | None, since: int | None) -> Subscription:
        """A subscription that the follower may have.

        Raises:
            Problem: it may not, or there is no such topic.
        """
        found = self.topics.get(topic_id)
        if found is None:
            raise NotFound(f"There is no topic {topic_id[:100]!r}.")
        plugin, topic = found
        if topic.scope == "tenant" and key:
            raise BadRequest(f"The topic {topic_id!r} has no keys.")
        if topic.scope == "object" and not key:
            raise BadRequest(f"The topic {topic_id!r} needs the key of an object.")
        own = str(follower.principal.id)
        subscription = Subscription(
            follower, topic, plugin, (key or own) if topic.scope == "user" else key or "", since
        )
        await self._authorise(subscription)
        if subscription.name not in follower.subscriptions and len(follower.subscriptions) >= MAX_SUBSCRIPTIONS:
            raise TooManyRequests(f"A connection follows up to {MAX_SUBSCRIPTIONS} channels. Unsubscribe from some.")
        return subscription

    @property
    def topics(self) -> dict[str, tuple[str, StreamTopic]]:
        """All topics, with their plugins."""
        if self._topics is None:
            contributed = self.plugins.collect(Plugin.stream_topics)
            self._topics = {c.item.id: (c.plugin_id, c.item) for c in contributed}
        return self._topics

    async def switches(self, principal: Principal) -> Mapping[str, bool] | None:
        """The switches of the principal's organisation; None without one."""
        tenant = await self._tenants.get(principal.tenant_id) if principal.tenant_id else None
        return tenant.switches if tenant else None

    async def _authorise(self, subscription: Subscription) -> None:
        topic, follower = subscription.topic, subscription.follower
        principal = follower.principal
        tenant = await self._tenants.get(follower.tenant_id)
        if tenant is None or not is_on(self.plugins, subscription.plugin, tenant.switches):
            raise NotFound(f"The plugin {subscription.plugin!r} is switched off for this organisation.")
        if topic.permission is not None:
            principal.require(topic.permission)
        if topic.scope == "user" and subscription.key != str(principal.id):
            raise Forbidden("What is another's cannot be followed.")
        if topic.authorise is not None:
            context = Context(
                runtime=self._runtime,
                tenant_id=tenant.id,
                principal=principal,
                locale=tenant.locale,
                timezone=tenant.timezone,
            )
            with use_context(context):
                async with unit_of_work(read_only=True, independent=True):
                    allowed = await topic.authorise(subscription.key)
            if not allowed:
                raise Forbidden("There is no such object, or you may not see it.")

    async def recheck(self, follower: Follower) -> None:
        """Close the connection, or end subscriptions, that would not be let in now."""
        try:
            principal, tenant = await self._look(follower.credential)
        except Problem as problem:
            follower.close(SIGNED_OUT if problem.status == 401 else FORBIDDEN, problem.detail or problem.title)
            return
        if tenant.id != follower.tenant_id:
            follower.close(FORBIDDEN, "The organisation is another one.")
            return
        follower.principal = principal
        for subscription in list(follower.subscriptions.values()):
            try:
                await self._authorise(subscription)
            except Problem as problem:
                self._hub.unsubscribe(subscription)
                follower.say(about(subscription, "revoked", problem=problem.as_json()))
