"""The pytest plugin for authors: `pip install "riveredge-sdk[testing]" riveredge-kernel riveredge-engine`, and use

    def test_a_note_is_kept(client):
        answer = client.post("/api/v1/example/notes", json={"title": "Milk"})
        assert answer.status_code == 201

Mark a test with `@pytest.mark.database` to run it on SQLite and on PostgreSQL.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeAlias, cast

import pytest

from riveredge_sdk.testing.platform import (
    ApiClient,
    DatabaseKind,
    EngineControl,
    Mailbox,
    PlatformUnderTest,
    TestTenant,
    find_factory,
)

if TYPE_CHECKING:
    from riveredge_sdk.plugin import Plugin
    from riveredge_sdk.testing.http import HttpPeer
    from riveredge_sdk.testing.stream import StreamClient

AsUser = Callable[..., ApiClient]
OpenStream = Callable[..., "StreamClient"]
_Extra: TypeAlias = "Sequence[type[Plugin]]"
_Platforms = Callable[[DatabaseKind, bool, _Extra], PlatformUnderTest]


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and let through what authors whose warnings are errors cannot mend."""
    config.addinivalue_line("markers", "database: runs on SQLite and, where one can be had, on PostgreSQL")
    # The Inngest SDK still declares a pydantic model the old way; that is not the author's to mend.
    config.addinivalue_line("filterwarnings", "ignore:Support for class-based `config`:DeprecationWarning:inngest")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run `database` tests once for each kind of database, or for those that the marker names."""
    if "database_kind" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("database")
    kinds: Sequence[str] = ("sqlite",) if marker is None else marker.args or ("sqlite", "postgresql")
    metafunc.parametrize("database_kind", kinds, indirect=True, scope="session")


@pytest.fixture(scope="session")
def database_kind(request: pytest.FixtureRequest) -> DatabaseKind:
    """The database of this test. PostgreSQL is skipped where there is none, but not in CI."""
    kind = cast("DatabaseKind", getattr(request, "param", "sqlite"))
    if kind == "postgresql":
        from riveredge_sdk.testing.postgres import find_postgres

        if find_postgres() is None:
            pytest.skip("no PostgreSQL here: set RIVEREDGE_TEST_DATABASE_URL or install Debian's postgresql")
    return kind


@pytest.fixture
def platform_plugins() -> _Extra:
    """Plugins to load besides the installed ones: none. Override it where tests need a plugin of their own."""
    return ()


@pytest.fixture(scope="session")
def _platforms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Platforms]:
    """Platforms that stay up for the session, two for each kind of database: in one of them tests move the clock."""
    started: dict[tuple[DatabaseKind, bool, _Extra], PlatformUnderTest] = {}
    with ExitStack() as stack:

        def get(kind: DatabaseKind, moves: bool, plugins: _Extra) -> PlatformUnderTest:
            key = (kind, moves, tuple(plugins))
            if key not in started:
                directory = tmp_path_factory.mktemp(f"platform-{kind}")
                running = find_factory()(kind, directory, plugins=[plugin() for plugin in plugins])
                started[key] = stack.enter_context(running)
                started[key].keeps_time = not moves
            return started[key]

        yield get


@pytest.fixture
def platform(
    _platforms: _Platforms,
    database_kind: DatabaseKind,
    platform_plugins: _Extra,
    request: pytest.FixtureRequest,
) -> PlatformUnderTest:
    """A running platform with every installed plugin: real HTTP, a real database, the embedded engine.

    Its clock is the real one, unless the test asks for `engine`, which moves it.
    """
    return _platforms(database_kind, "engine" in request.fixturenames, platform_plugins)


@pytest.fixture
def tenant(platform: PlatformUnderTest) -> Iterator[TestTenant]:
    """A tenant of this test's own. It ends with it: what it has planned is of no concern to later tests."""
    made = platform.create_tenant(f"t{secrets.token_hex(6)}")
    yield made
    platform.forget_tenant(made)


@pytest.fixture
def other_tenant(platform: PlatformUnderTest) -> Iterator[TestTenant]:
    """A second one, to attack the first from."""
    made = platform.create_tenant(f"o{secrets.token_hex(6)}")
    yield made
    platform.forget_tenant(made)


@pytest.fixture
def as_user(platform: PlatformUnderTest, tenant: TestTenant) -> Iterator[AsUser]:
    """`as_user({"example.note.read"})`: a client signed in with exactly these permissions; `tenant=` for another."""
    with ExitStack() as stack:

        def make(
            permissions: Iterable[str] = (), *, tenant: TestTenant = tenant, locale: str | None = None
        ) -> ApiClient:
            user = platform.create_user(tenant, permissions, locale=locale)
            return stack.enter_context(ApiClient(platform, user))

        yield make


@pytest.fixture
def client(platform: PlatformUnderTest, as_user: AsUser) -> ApiClient:
    """A client signed in to `tenant` with every permission there is."""
    return as_user(platform.permissions)


@pytest.fixture
def anonymous(platform: PlatformUnderTest) -> Iterator[ApiClient]:
    """A client that is not signed in."""
    with ApiClient(platform) as made:
        yield made


@pytest.fixture
def mailbox(platform: PlatformUnderTest) -> Iterator[Mailbox]:
    """A real SMTP server on a port of its own."""
    made = Mailbox(platform)
    platform.run(made.server.start())
    yield made
    platform.run(made.server.stop())


@pytest.fixture
def engine(platform: PlatformUnderTest) -> EngineControl:
    """The embedded engine; `engine.advance(days=3)` lets three days pass at once."""
    return EngineControl(platform)


@pytest.fixture
def stream() -> Iterator[OpenStream]:
    """`stream(client)`: an open connection to the live stream, as a browser of that client's user has it."""
    from riveredge_sdk.testing.stream import StreamClient

    with ExitStack() as stack:

        def opened(client: ApiClient, **options: object) -> StreamClient:
            return stack.enter_context(StreamClient(client, **options))

        yield opened


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> "Iterator[HttpPeer]":
    """A real HTTP server that `riveredge_sdk.outbound` may call, and nothing else beside it on this machine."""
    from riveredge_sdk.testing.http import HttpPeer

    monkeypatch.setenv("RIVEREDGE_OUTBOUND__ALLOW", '["127.0.0.1/32"]')
    with HttpPeer() as made:
        yield made
