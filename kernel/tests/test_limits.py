"""Limits that hold across processes, and what they leave to honest people."""

import asyncio
import contextlib
import json
import os
import resource
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import update
from sqlmodel import select

from riveredge_kernel.auth import guesses as guessing
from riveredge_kernel.auth.devices import Device
from riveredge_kernel.auth.password_policy import is_listed
from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.limits.limiter import Limiter
from riveredge_kernel.limits.models import LimitCounter
from riveredge_kernel.limits.turnstile import Turnstile
from riveredge_kernel.metrics import PASSWORD_HASHES
from riveredge_kernel.testing import ThreadedPlatform, start
from riveredge_sdk.context import find_context, use_context
from riveredge_sdk.limits import Limit, count_hit
from riveredge_sdk.models import utcnow
from riveredge_sdk.problems import Problem, TooManyRequests, Unauthorized, Unavailable
from riveredge_sdk.testing.commands import start_command
from riveredge_sdk.testing.platform import ApiClient, DatabaseKind, TestTenant
from riveredge_sdk.uow import unit_of_work

LOGIN = "/api/v1/auth/login"
FLOOD = 10_000
AT_ONCE = 1000
ACCOUNTS = 20
PASSWORD = "correct horse battery staple"
LIMIT = Limit("test.limit", hits=3, seconds=600)


@pytest.fixture
def email(platform: ThreadedPlatform, tenant: TestTenant) -> str:
    """The address of an administrator of `tenant` who has a password."""
    address = f"ada-{tenant.slug}@example.com"
    add = platform.platform.provisioning.add_member
    platform.run(add(tenant.id, address, password=PASSWORD, roles=[ADMINISTRATOR]))
    return address


def login(client: ApiClient, email: str, password: str = PASSWORD) -> Any:
    """The answer to a sign-in."""
    return client.post(LOGIN, json={"email": email, "password": password})


@pytest.mark.database
def test_hits_at_once_all_count_and_the_wait_begins_with_the_last(
    platform: ThreadedPlatform, tenant: TestTenant
) -> None:
    limiter = platform.platform.auth.limiter

    async def hits() -> list[Any]:
        return await asyncio.gather(*(limiter.hit(LIMIT, tenant.slug) for _ in range(12)), return_exceptions=True)

    found = platform.run(hits())
    refused = [each for each in found if isinstance(each, TooManyRequests)]
    assert (len(refused), found.count(None)) == (9, 3)
    assert 590 <= int(refused[0].headers["Retry-After"]) <= 601
    with pytest.raises(TooManyRequests):
        platform.run(limiter.check(LIMIT, tenant.slug))
    platform.run(limiter.check(LIMIT, "somebody else"))

    async def pass_time() -> None:
        async with platform.platform.database.system("test", platform.platform.runtime) as db:
            await db.exec(update(LimitCounter).values(ends_at=utcnow() - timedelta(seconds=1)))

    platform.run(pass_time())
    platform.run(limiter.hit(LIMIT, tenant.slug))
    platform.run(limiter.forget(LIMIT, tenant.slug))
    platform.run(pass_time())
    platform.run(limiter.prune())


@pytest.mark.database
def test_plugins_count_by_tenant_and_counts_outlast_a_rollback(
    platform: ThreadedPlatform, tenant: TestTenant, other_tenant: TestTenant
) -> None:
    async def fail_after_a_hit(where: TestTenant) -> None:
        with use_context(platform.context(where)):
            async with unit_of_work():
                await count_hit(LIMIT, "me")
                raise RuntimeError("rolled back")

    for _ in range(3):
        with pytest.raises(RuntimeError):
            platform.run(fail_after_a_hit(tenant))
    with pytest.raises(TooManyRequests):
        platform.run(fail_after_a_hit(tenant))
    with pytest.raises(RuntimeError):
        platform.run(fail_after_a_hit(other_tenant))


@pytest.mark.database
def test_a_hit_after_a_write_waits_for_nobody(platform: ThreadedPlatform, tenant: TestTenant) -> None:
    from riveredge_example.models import Note

    async def write_then_hit() -> None:
        with use_context(platform.context(tenant)):
            async with unit_of_work() as db:
                db.add(Note(title="first"))
                await db.flush()
                await count_hit(LIMIT, "me")

    platform.run(write_then_hit(), 5)


GUESS = """
import asyncio, sys
from riveredge_kernel.app import create_app
from riveredge_kernel.auth.devices import Device
from riveredge_kernel.settings import Settings
from riveredge_sdk.problems import Problem

async def guess(service):
    try:
        await service.login(sys.argv[1], "wrong password", Device("192.0.2.7"))
    except Problem as problem:
        return problem.status

async def main():
    platform = create_app(Settings()).state.platform
    print("ready", flush=True)
    sys.stdin.readline()
    print(*await asyncio.gather(*(guess(platform.auth.service) for _ in range(8))))
    await platform.database.dispose()

asyncio.run(main())
"""


@pytest.mark.database
def test_guesses_are_counted_across_processes(platform: ThreadedPlatform, email: str) -> None:
    database = platform.platform.settings.database
    environment = {
        **os.environ,
        "RIVEREDGE_VAR_DIR": str(platform.platform.settings.var_dir),
        "RIVEREDGE_INNGEST__BASE_URL": "http://127.0.0.1:9",
        **{
            f"RIVEREDGE_DATABASE__{name.upper()}": value
            for name in ("url", "owner_url", "system_url")
            if (value := getattr(database, name))
        },
    }
    with contextlib.ExitStack() as stack:
        others, commands = [], []
        for _ in range(2):
            (its_in, ours), (theirs, its_out) = os.pipe(), os.pipe()
            with os.fdopen(its_in, "rb") as stdin, os.fdopen(its_out, "wb") as stdout:
                commands.append(start_command("-c", GUESS, email, env=environment, stdin=stdin, stdout=stdout))
            others.append((stack.enter_context(os.fdopen(ours, "w")), stack.enter_context(os.fdopen(theirs))))
        for _, said in others:
            assert said.readline() == "ready\n"
        for word, _ in others:
            print("go", file=word, flush=True)
        told = [said.read().splitlines()[-1] for _, said in others]
    assert [command.wait(60) for command in commands] == [0, 0]
    statuses = sorted(int(status) for line in told for status in line.split())
    assert statuses == [401] * 10 + [429] * 6


def test_what_was_just_refused_is_refused_without_the_database(
    platform: ThreadedPlatform, email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guessing, "_RECALLED_SECONDS", 3600.0)
    guesses, device = platform.platform.auth.guesses, Device("192.0.2.7")

    async def lock() -> None:
        for _ in range(10):
            assert await guesses.wrong(email, device, known=False) is None
        guesses.recall(email, device)
        with pytest.raises(TooManyRequests) as refused:
            await guesses.check(email, device, known=False)
        for _ in range(2):
            with pytest.raises(TooManyRequests) as recalled:
                guesses.recall(email, device)
            assert recalled.value.detail == refused.value.detail
            assert 0 < int(recalled.value.headers["Retry-After"]) <= int(refused.value.headers["Retry-After"])
        # The owner, who was here lately, is at another address; and others are others.
        guesses.recall(email, Device("192.0.2.8"))
        guesses.recall(f"x{email}", device)
        await guesses.unlock(email)
        guesses.recall(email, device)

    platform.run(lock())


@pytest.mark.database
def test_an_unknown_account_is_locked_like_a_known_one(anonymous: ApiClient, email: str, tenant: TestTenant) -> None:
    def look(address: str) -> list[Any]:
        answers = [login(anonymous, address, "wrong password") for _ in range(12)]
        return [(a.status_code, a.json()["title"], a.json()["detail"]) for a in answers]

    known, unknown = look(email), look(f"nobody-{tenant.slug}@example.com")
    assert [status for status, *_ in known] == [401] * 10 + [429] * 2
    assert known == unknown


def test_unknown_and_known_accounts_take_the_same_work(
    platform: ThreadedPlatform, anonymous: ApiClient, email: str, tenant: TestTenant
) -> None:
    """Counted in hashes and statements: times say nothing on a busy machine."""
    from sqlalchemy import event

    engine = platform.platform.database.system_engine.sync_engine
    counted: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        # The relay, the tick and functions work beside.
        context = find_context()
        if (context is None or context.run_id is None) and any(
            table in statement for table in ("kernel_user", "kernel_limit", "kernel_session")
        ):
            counted.append(statement)

    def work(address: str) -> tuple[float, list[str]]:
        counted.clear()
        before = PASSWORD_HASHES._value.get()
        assert login(anonymous, address, "wrong password").status_code == 401
        return PASSWORD_HASHES._value.get() - before, list(counted)

    event.listen(engine, "before_cursor_execute", count)
    try:
        known, unknown = work(email), work(f"nobody-{tenant.slug}@example.com")
    finally:
        event.remove(engine, "before_cursor_execute", count)
    assert known == unknown
    assert known[0] == 1


def test_a_stranger_does_not_lock_the_owner_out(platform: ThreadedPlatform, anonymous: ApiClient, email: str) -> None:
    assert login(anonymous, email).status_code == 200, "from now on this address is known"
    service = platform.platform.auth.service
    stranger = Device("203.0.113.9")
    for _ in range(10):
        with pytest.raises(Unauthorized):
            platform.run(service.login(email, "wrong password", stranger))
    with pytest.raises(TooManyRequests):
        platform.run(service.login(email, PASSWORD, stranger))
    assert login(anonymous, email).status_code == 200
    platform.run(service.set_password(platform.run(service.find(email)).id, "another good pass phrase"))
    platform.run(service.login(email, "another good pass phrase", stranger))


def test_one_address_cannot_try_one_password_on_many_accounts(tmp_path: Path) -> None:
    with start("sqlite", tmp_path, auth={"max_failed_logins_per_address": 5}) as platform, ApiClient(platform) as http:
        statuses = [login(http, f"user{number}@example.com", "Password1234").status_code for number in range(8)]
        assert statuses == [401] * 5 + [429] * 3
        # The whole /64 of an IPv6 address is one line's.
        service = platform.platform.auth.service
        for number in range(5):
            with pytest.raises(Unauthorized):
                platform.run(service.login(f"v{number}@example.com", "Password1234", Device(f"2001:db8::{number}")))
        with pytest.raises(TooManyRequests):
            platform.run(service.login("w@example.com", "Password1234", Device("2001:db8::ffff:1")))


async def test_a_turnstile_holds_back_turns_away_and_shares() -> None:
    turnstile = Turnstile(active=2, waiting=4)
    inside, most = 0, 0
    leave = asyncio.Event()

    async def come(address: str) -> str:
        nonlocal inside, most
        try:
            async with turnstile.enter(address):
                inside += 1
                most = max(most, inside)
                await leave.wait()
                inside -= 1
                return "served"
        except (TooManyRequests, Unavailable) as problem:
            return f"{problem.status} for {problem.headers['Retry-After']} s"

    flood = [asyncio.create_task(come("flood")) for _ in range(50)]
    await asyncio.sleep(0)
    others = [asyncio.create_task(come(f"honest {number}")) for number in range(3)]
    await asyncio.sleep(0)
    leave.set()
    assert Counter([await task for task in flood]) == {"served": 4, "429 for 3 s": 46}
    assert [await task for task in others] == ["served", "served", "503 for 3 s"]
    assert most == 2
    assert await come("later") == "served"
    assert not turnstile._inside


def allow_files(count: int) -> None:
    """Let this process have so many open at once from now on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


async def attack(base_url: str, number: int) -> int:
    """The status of a try to sign in, on a connection of its own. By hand: a library costs more than the server."""
    reader, writer = await asyncio.open_connection(*base_url.removeprefix("http://").split(":"))
    body = json.dumps({"email": f"user{number % ACCOUNTS}@example.com", "password": "wrong password"})
    head = f"POST {LOGIN} HTTP/1.1\r\nHost: flooded\r\nConnection: close\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    answer = await reader.read()
    writer.close()
    assert answer.endswith(b"}"), "answers are whole"
    return int(answer.split()[1])


@pytest.mark.database
def test_a_flood_of_sign_ins_stays_bounded_and_others_are_served(database_kind: DatabaseKind, tmp_path: Path) -> None:
    import psutil

    settings = {"max_failed_logins_per_address": 1_000_000, "max_waiting_logins": 20}
    with start(database_kind, tmp_path, auth=settings) as platform:
        tenant = platform.create_tenant("flooded")
        user = platform.create_user(tenant, ["example.note.read"])
        before = psutil.Process().memory_info().rss
        # Both ends of all connections are in this process.
        allow_files(2 * AT_ONCE + 1000)
        room = asyncio.Semaphore(AT_ONCE)

        async def flood() -> tuple[Counter[int], list[int]]:
            async def try_to(number: int) -> int:
                async with room:
                    return await attack(platform.base_url, number)

            attacks = [asyncio.create_task(try_to(number)) for number in range(FLOOD)]
            served = []
            async with ApiClientAsync(platform.base_url, user.token) as honest:
                while not all(task.done() for task in attacks):
                    served.append((await honest.get("/api/v1/example/notes")).status_code)
                    await asyncio.sleep(0.05)
            return Counter([await task for task in attacks]), served

        statuses, served = asyncio.run(flood())
        assert set(statuses) == {401, 429}, "nobody's fault but the flood's: no 5xx"
        assert statuses.total() == FLOOD
        assert ACCOUNTS <= statuses[401] <= 10 * ACCOUNTS, "of each account, ten tries are heard"
        assert set(served) == {200}
        assert psutil.Process().memory_info().rss - before < 700_000_000
        with ApiClient(platform) as http:
            assert login(http, "fresh@example.com", "wrong password").status_code == 401


def ApiClientAsync(base_url: str, token: str) -> httpx2.AsyncClient:  # noqa: N802
    """An honest client. It keeps no connection: an idle one may be closed under its next request."""
    limits = httpx2.Limits(max_keepalive_connections=0)
    headers = {"Authorization": f"Bearer {token}"}
    return httpx2.AsyncClient(base_url=base_url, headers=headers, timeout=300, limits=limits)


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "password_length"),
        ("x" * 257, "password_length"),
        ("1234567890", "password_weak"),
        ("Password123!", "password_weak"),
        ("ada.lovelace@example.com", "password_weak"),
        ("riveredge1", "password_weak"),
    ],
)
async def test_passwords_that_are_guessed_quickly_are_refused(
    platform: ThreadedPlatform, password: str, code: str
) -> None:
    policy = platform.platform.auth.policy
    with pytest.raises(Problem) as refused:
        await policy.hash(password, about=("ada.lovelace@example.com", "Ada Lovelace"))
    assert [error.code for error in refused.value.errors] == [code]
    assert refused.value.errors[0].field == "password"


async def test_good_passwords_are_taken(platform: ThreadedPlatform) -> None:
    for password in ("correct horse battery staple", "kd8-Xq2_pLmw", "正确的马电池订书钉很长的口令", "y" * 73):
        assert (await platform.platform.auth.policy.hash(password)).startswith("$argon2id$")


@pytest.mark.parametrize("lines", [1, 2, 3, 100, 1001])
def test_the_list_of_breached_passwords_is_searched_where_it_lies(tmp_path: Path, lines: int) -> None:
    import hashlib

    known = [f"password{number}" for number in range(lines)]
    digests = sorted(hashlib.sha1(word.encode()).hexdigest().upper() for word in known)
    file = tmp_path / "breached.txt"
    file.write_text("".join(f"{digest}:{number * 7919}\r\n" for number, digest in enumerate(digests)))
    assert all(is_listed(file, word) for word in known)
    assert not any(is_listed(file, f"other{number}") for number in range(200))
    file.write_text("")
    assert not is_listed(file, "password1")


def test_a_breached_password_is_refused(tmp_path: Path) -> None:
    import hashlib

    file = tmp_path / "breached.txt"
    file.write_text(hashlib.sha1(PASSWORD.encode()).hexdigest().upper() + ":3\n")
    with start("sqlite", tmp_path, auth={"breached_passwords_file": file}) as platform:
        with pytest.raises(Problem) as refused:
            platform.run(platform.platform.auth.policy.hash(PASSWORD))
        assert refused.value.errors[0].code == "password_breached"


def test_counters_name_nobody(platform: ThreadedPlatform, anonymous: ApiClient, email: str) -> None:
    login(anonymous, email, "wrong password")

    async def dump() -> str:
        async with platform.platform.database.system("test", platform.platform.runtime) as db:
            return str((await db.exec(select(LimitCounter))).all())

    assert email not in platform.run(dump())
    assert isinstance(platform.platform.auth.limiter, Limiter)
