"""What a platform under test offers, whoever provides it.

The platform runs in a thread of its own with real HTTP, a real database and the embedded engine; tests talk to it as
clients do. Every test gets tenants of its own, so tests share one platform without seeing each other's data.
"""

from collections.abc import Coroutine, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable
from uuid import UUID

import httpx2

from riveredge_sdk.context import Context
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.testing.smtp import MailServer, ReceivedMail

T = TypeVar("T")
DatabaseKind = Literal["sqlite", "postgresql"]
Fault = Literal["unreachable", "failed", "lost-request", "lost-answer", "timeout", "twice"]

GROUP = "riveredge.testing"


@dataclass(frozen=True, slots=True)
class TestTenant:
    """A tenant made for one test."""

    __test__ = False

    id: UUID
    slug: str


@dataclass(frozen=True, slots=True)
class TestUser:
    """A member of a tenant with exactly the permissions the test named."""

    __test__ = False

    id: UUID
    email: str
    tenant: TestTenant
    token: str


class Call(Protocol):
    """A call that the engine made to the platform. `status` is 0 when there was no answer, `duration` in seconds."""

    @property
    def run_id(self) -> str: ...

    @property
    def function(self) -> str: ...

    @property
    def step(self) -> str: ...

    @property
    def attempt(self) -> int: ...

    @property
    def status(self) -> int: ...

    @property
    def duration(self) -> float: ...


class InjectsFaults(Protocol):
    """Lets the engine's next calls go wrong."""

    def inject(self, fault: str, *, function: str = ..., times: int = ...) -> None: ...


class EngineUnderTest(Protocol):
    """The embedded engine, as far as tests steer it."""

    @property
    def faults(self) -> InjectsFaults: ...

    @property
    def records(self) -> Sequence[Call]: ...

    async def advance(self, delta: timedelta) -> None: ...

    @property
    def next_due(self) -> datetime | None: ...

    async def run_until_idle(self, timeout: float = ...) -> None: ...  # noqa: ASYNC109

    async def crash(self) -> None: ...

    async def forget(self) -> None: ...


@runtime_checkable
class PlatformUnderTest(Protocol):
    """A running platform."""

    base_url: str
    kind: DatabaseKind
    # Its clock is the real one, and cannot be moved.
    keeps_time: bool

    def run(self, work: Coroutine[Any, Any, T], timeout: float = 60) -> T:
        """Run a coroutine in the platform's own event loop and give its result."""
        ...

    def context(self, tenant: TestTenant, user: TestUser | None = None) -> Context:
        """A context for code that a test runs inside the platform with `run`."""
        ...

    def create_tenant(self, name: str) -> TestTenant: ...

    def forget_tenant(self, tenant: TestTenant) -> None:
        """Its test is over: none of its timers and functions run any more, and what it has is deleted in time."""
        ...

    def check_schema(self, plugin: str) -> list[str]:
        """How the plugin's tables differ from its models; empty if they are equal."""
        ...

    def advance(self, delta: timedelta) -> None:
        """Let time pass, for the engine, for timers and for `utcnow()` inside the platform.

        Raises:
            RuntimeError: it keeps time: others take its clock for the real one.
        """
        ...

    def now(self) -> datetime:
        """The platform's present."""
        ...

    def settle(self) -> None:
        """Return when every event has been sent and nothing is left that can run now."""
        ...

    def create_user(self, tenant: TestTenant, permissions: Iterable[str], *, locale: str | None = None) -> TestUser: ...

    @property
    def permissions(self) -> Sequence[str]:
        """Every permission that any active plugin contributes."""
        ...

    @property
    def engine(self) -> EngineUnderTest: ...

    @property
    def openapi(self) -> dict[str, Any]: ...


class StartsPlatform(Protocol):
    """The factory that the entry point `riveredge.testing` names."""

    def __call__(
        self, kind: DatabaseKind, directory: Path, *, plugins: Sequence[Plugin] = (), **settings: Any
    ) -> AbstractContextManager[PlatformUnderTest]: ...


def find_factory() -> StartsPlatform:
    """The installed platform's test factory.

    Raises:
        LookupError: no platform is installed beside the SDK.
    """
    for entry in entry_points(group=GROUP):
        factory: StartsPlatform = entry.load()
        return factory
    raise LookupError("no platform to test against: pip install riveredge-kernel riveredge-engine")


class ApiClient(httpx2.Client):
    """An HTTP client of the platform. `user` is who it is signed in as, or None."""

    def __init__(self, platform: PlatformUnderTest, user: TestUser | None = None) -> None:
        headers = {"Authorization": f"Bearer {user.token}"} if user else {}
        super().__init__(base_url=platform.base_url, headers=headers, timeout=30)
        self.user = user


@dataclass(slots=True)
class Mailbox:
    """A real SMTP server for one test, to be named in the tenant's or the installation's settings."""

    platform: PlatformUnderTest
    server: MailServer = field(default_factory=MailServer)

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def mails(self) -> list[ReceivedMail]:
        return list(self.server.mails)

    def wait_for(self, count: int = 1, *, timeout: float = 20) -> list[ReceivedMail]:
        """The mails, once there are at least `count`; TimeoutError if they do not come."""
        return self.platform.run(self.server.wait_for(count, timeout=timeout), timeout + 5)


@dataclass(slots=True)
class EngineControl:
    """The embedded engine of the platform under test, and the platform's clock: real time that tests can move forward.

    Tests that ask for it share a platform, whose time may be days ahead already when a test begins: take
    `now()` for what is to be due, and inside the platform `utcnow()`.
    """

    platform: PlatformUnderTest

    def advance(self, delta: timedelta = timedelta(0), /, **units: float) -> None:
        """Let time pass (a timedelta, or `days=3`): what falls due meanwhile happens, in order. Timers are included."""
        self.platform.advance(delta + timedelta(**units))

    def now(self) -> datetime:
        """The platform's present."""
        return self.platform.now()

    def run_until_idle(self) -> None:
        """Return when nothing is left that can run now."""
        self.platform.run(self.platform.engine.run_until_idle(), 120)

    def fail(self, fault: Fault, *, function: str = "", times: int = 1) -> None:
        """Let the next calls go wrong, of one function (`riveredge-example-trim`) or of any.

        `unreachable`: no connection; `failed`: a proxy answers 502; `lost-request`: the connection breaks before the
        function has seen the call; `lost-answer`, `timeout`: the function does its work, and the answer is lost, or
        comes after the engine has given up; `twice`: the function gets the call twice.
        """

        async def inject() -> None:
            self.platform.engine.faults.inject(fault, function=function, times=times)

        self.platform.run(inject())

    @property
    def calls(self) -> list[Call]:
        """The engine's last calls to the platform, oldest first."""
        return list(self.platform.engine.records)

    def kill(self) -> None:
        """Kill the engine and start it again: calls under way are cut off, what it has acknowledged goes on."""
        self.platform.run(self.platform.engine.crash(), 60)

    def forget(self) -> None:
        """Lose all events and runs, as a killed Inngest server does."""
        self.platform.run(self.platform.engine.forget(), 60)


__all__ = [
    "ApiClient",
    "Call",
    "DatabaseKind",
    "EngineControl",
    "EngineUnderTest",
    "Fault",
    "Mailbox",
    "PlatformUnderTest",
    "StartsPlatform",
    "TestTenant",
    "TestUser",
    "find_factory",
]
