"""Mails a second, end to end: a message to everybody, against aiosmtplib by hand with as many connections.

Both send to the same sink, aiosmtpd in a process of its own, in turns. By hand: mails made one by one and handed over,
nothing kept. Here: from the request until the last mail has arrived, with recipients, rules, attempts and outcomes.
"""

import asyncio
import logging
import multiprocessing
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiosmtplib
import httpx2
from aiosmtpd.smtp import SMTP, Envelope, Session

from benchmarks.messaging import add_members, settings_for
from riveredge_kernel import logging as kernel_logging
from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.server import running
from riveredge_kernel.settings import Settings
from riveredge_kernel.testing import migrate
from riveredge_messaging.providers.smtp_config import SmtpConfig

MAILS = 2000
ROUNDS = 3
CONNECTIONS: int = SmtpConfig.model_fields["connections"].default
_PATIENCE = 120.0
_TEXT = "Hello,\n\nwelcome to x. This message was sent by a durable function.\n"


@dataclass(frozen=True, slots=True)
class Round:
    """Mails a second."""

    ours: float
    by_hand: float


class _Sink:
    """Takes every mail and counts it."""

    def __init__(self, count: Any) -> None:
        self._count = count

    async def handle_DATA(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802
        """aiosmtpd calls this for each mail."""
        self._count.value += 1
        return "250 2.0.0 kept"


def _serve(count: Any, ready: Connection) -> None:
    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(_Sink(count), loop=loop), "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


@contextmanager
def _sink() -> Iterator[tuple[int, Any]]:
    """A sink in a process of its own: its port, and the number of mails it has taken."""
    context = multiprocessing.get_context("spawn")
    count = context.Value("q", 0, lock=False)
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(count, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv(), count
    finally:
        process.terminate()
        process.join()


async def _by_hand(port: int, mails: int) -> float:
    """Seconds for so many mails over pooled connections."""
    numbers = iter(range(mails))

    async def work() -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, use_tls=False, start_tls=False) as client:
            for number in numbers:
                await client.send_message(_mail(number))

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
    return time.perf_counter() - started


def _mail(number: int) -> EmailMessage:
    """One as the platform sends it: two alternatives."""
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "Welcome to x", "no-reply@localhost", f"user{number}@example.com"
    mail["Message-ID"], mail["Date"] = f"<{number}@localhost>", formatdate()
    mail.set_content(_TEXT)
    mail.add_alternative(f"<p>{_TEXT}</p>", subtype="html")
    return mail


async def _measured(settings: Settings, count: Any, port: int, mails: int, rounds: int) -> list[Round]:
    async with running(settings) as platform:
        tenant = await platform.provisioning.create_tenant("bench", "Bench")
        member = await platform.provisioning.add_member(tenant, "bench@example.com", roles=[ADMINISTRATOR])
        token = await platform.auth.token_for(member.user_id, tenant)
        await add_members(platform, tenant, mails - 1)
        await platform.functions.registered.wait()
        headers = {"Authorization": f"Bearer {token}"}
        body = {"template": "messaging.welcome", "data": {"product": "x"}, "channels": ["messaging.email"]}
        found = []
        async with httpx2.AsyncClient(base_url=platform.base_url, headers=headers, timeout=60) as http:
            for _ in range(rounds):
                by_hand = await _by_hand(port, mails)
                wanted, started = count.value + mails, time.perf_counter()
                (await http.post("/api/v1/messaging/messages", json={**body, "everyone": True})).raise_for_status()
                while count.value < wanted:
                    if time.perf_counter() - started > _PATIENCE:
                        raise TimeoutError(f"{wanted - count.value} of {mails} mails have not arrived")
                    await asyncio.sleep(0.02)
                found.append(Round(mails / (time.perf_counter() - started), mails / by_hand))
        return found


def _measure(directory: Path, url: str, database: dict[str, str], mails: int, rounds: int) -> list[Round]:
    with _sink() as (port, count):
        smtp = "RIVEREDGE_MESSAGING__SMTP__"
        os.environ.update({f"{smtp}HOST": "127.0.0.1", f"{smtp}PORT": str(port), f"{smtp}TLS": "none"})
        settings = settings_for(directory, url, **database)
        kernel_logging.configure(settings)
        logging.getLogger("riveredge_engine").setLevel(logging.ERROR)
        return asyncio.run(_measured(settings, count, port, mails, rounds))


def run(
    directory: Path, url: str, database: dict[str, str], *, mails: int = MAILS, rounds: int = ROUNDS
) -> list[Round]:
    """In a process of its own, engine included, which is told of the sink by its environment."""
    migrate(database.get("owner_url") or url)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measure, directory, url, database, mails, rounds).result()
