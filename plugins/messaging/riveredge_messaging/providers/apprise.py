"""Chat rooms through Apprise, which speaks to some 170 services. Needs the extra `riveredge-messaging[apprise]`.

One configuration is one room. Apprise tells whether a service took a message, but gives no id of it and no later
report, so that a delivery ends as accepted.
"""

import asyncio
import contextvars
import importlib.util
import re
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator

from riveredge_messaging.channels.rooms import CHAT
from riveredge_sdk.features.messaging import (
    ConfigurationFailure,
    DeliveryResult,
    MessageProvider,
    PermanentFailure,
    ProviderConfig,
    RenderedMessage,
    TemporaryFailure,
    UnknownOutcome,
)
from riveredge_sdk.outbound import OutboundSettings, is_public

# Services that are called over HTTPS. Not among them: what stays on the machine (files, desktops, syslog, D-Bus,
# serial lines), other protocols, and mail, SMS and push, which are channels of their own.
# fmt: off
HOSTED = frozenset({
    "chanify", "cliq", "dingtalk", "discord", "feishu", "flock", "gchat", "guilded", "kook", "lark", "line", "pover",
    "pushplus", "qq", "revolt", "ryver", "schan", "slack", "tgram", "twist", "webex", "wecom", "wecombot", "workflow",
    "workflows", "wxteams", "zcliq", "zohocliq", "zoom", "zulip",
})
# fmt: on
SELF_HOSTED = frozenset({"barks", "gotifys", "jsons", "matrixs", "mmosts", "ntfys", "rockets", "synologys"})
# Over plain HTTP: in networks that the operator lets organisations reach (RIVEREDGE_OUTBOUND__ALLOW), nowhere else.
PLAIN = frozenset({"bark", "gotify", "json", "matrix", "mmost", "ntfy", "rocket", "synology"})

SECONDS = 10.0
_THREADS = 8
_ERROR = re.compile(r"error=([1-5][0-9]{2})\b")
_MISCONFIGURED = frozenset({301, 302, 307, 308, 400, 401, 403, 404, 405, 410})


@dataclass(slots=True)
class _Connections:
    """Where a call may connect to, and whether it did."""

    allowed_only: bool
    made: int = 0


_connections: contextvars.ContextVar[_Connections | None] = contextvars.ContextVar("riveredge_apprise", default=None)


def is_installed() -> bool:
    """Whether the extra is there."""
    return importlib.util.find_spec("apprise") is not None


class AppriseConfig(ProviderConfig):
    """One room of one service."""

    url: Annotated[
        SecretStr,
        Field(
            title="Apprise URL",
            description="slack://…, feishu://…, mmosts://…: as Apprise writes the service and its room.",
            max_length=2000,
        ),
    ]

    @field_validator("url")
    @classmethod
    def _is_allowed(cls, url: SecretStr) -> SecretStr:
        schema = _schema(url)
        if schema not in HOSTED | SELF_HOSTED | PLAIN:
            allowed = ", ".join(sorted(HOSTED | SELF_HOSTED | PLAIN))
            raise ValueError(f"expected one of these services: {allowed}")
        return url


class Apprise(MessageProvider[AppriseConfig]):
    """Calls the library in a thread of its own, and lets it connect to public addresses only."""

    id = "messaging.apprise"
    channel = CHAT
    title = "Apprise"
    description = "A room of Slack, Teams, Feishu, DingTalk, WeCom, Discord, Telegram, Mattermost and others."
    config = AppriseConfig

    async def send(self, config: AppriseConfig, message: RenderedMessage) -> DeliveryResult:
        work = asyncio.get_running_loop().run_in_executor(_threads(), _notify, config.url, message)
        try:
            async with asyncio.timeout(2 * SECONDS):
                await work
        except TimeoutError:
            raise UnknownOutcome(f"The service gave no answer within {2 * SECONDS:g} s.") from None
        return DeliveryResult("accepted")

    def parallel(self, config: AppriseConfig) -> int:
        return 2


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="apprise")


def _schema(url: SecretStr) -> str:
    return url.get_secret_value().partition("://")[0].strip().lower()


def _notify(url: SecretStr, message: RenderedMessage) -> None:
    import apprise

    _guard_connections()
    asset = apprise.AppriseAsset(storage_mode=apprise.PersistentStoreMode.MEMORY, http_redirects=False)
    service: Any = apprise.Apprise.instantiate(url.get_secret_value(), asset=asset)
    if service is None or _schema(url) not in service.schemas():
        raise ConfigurationFailure("Apprise cannot read the URL.")
    # What the URL may say otherwise.
    service.redirects, service.verify_certificate, service.retry = False, True, 0
    service.socket_connect_timeout = service.socket_read_timeout = SECONDS
    room = apprise.Apprise(asset=asset)
    room.add(service)
    connections = _Connections(allowed_only=_schema(url) in PLAIN)
    token = _connections.set(connections)
    try:
        result = room.notify(title=message.subject, body=message.text)
    except TypeError as error:
        raise PermanentFailure(f"Apprise refuses the message: {error}") from None
    finally:
        _connections.reset(token)
    if not result:
        raise _failure([entry.message for each in result for entry in each.logs()], connected=connections.made > 0)


def _failure(lines: Sequence[str], *, connected: bool) -> Exception:
    # Only the status: what a service answers may hold the URL's secrets.
    found = _ERROR.search(" ".join(lines))
    if found is None and connected:
        return UnknownOutcome("The service gave no answer that could be understood.")
    if found is None:
        return TemporaryFailure("The service was not reached.")
    status = int(found[1])
    text = f"The service answers {status}."
    if status in _MISCONFIGURED:
        return ConfigurationFailure(text)
    return TemporaryFailure(text, retry_after=60.0 if status == 429 else None)


@cache
def _guard_connections() -> None:
    """Let the threads in which Apprise works connect to checked addresses only; others are not touched.

    Its services call `requests` themselves, so this is the one place that all their connections pass. The connection
    goes to the very address that was checked.
    """
    from urllib3.util import connection

    connect = connection.create_connection

    def checked(address: tuple[str, int], *args: Any, **kwargs: Any) -> socket.socket:
        connections = _connections.get()
        if connections is None:
            return connect(address, *args, **kwargs)
        host, port = address
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        peers = list(dict.fromkeys(ip_address(str(entry[4][0])) for entry in found))
        networks = OutboundSettings().allow
        for peer in peers:
            allowed = any(peer in network for network in networks)
            if not allowed and (connections.allowed_only or not is_public(peer)):
                raise OSError(f"{host} is not to be reached")
        made = connect((str(peers[0]), port), *args, **kwargs)
        connections.made += 1
        return made

    connection.create_connection = checked


__all__ = ["HOSTED", "PLAIN", "SELF_HOSTED", "Apprise", "AppriseConfig", "is_installed"]
