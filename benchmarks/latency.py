"""From a request to the delivery that a durable function makes: a mail on a real SMTP server."""

import asyncio
import os
import time
from pathlib import Path

import httpx2

from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.server import running
from riveredge_kernel.settings import Settings
from riveredge_kernel.testing import migrate
from riveredge_sdk.testing.smtp import MailServer

COUNT = 100


async def measure(directory: Path) -> list[float]:
    """Seconds from sending the request to the mail's arrival, one at a time, sorted."""
    settings = Settings(var_dir=directory, port=0, inngest={"engine_port": 0})
    server = MailServer()
    await server.start()
    smtp = "RIVEREDGE_MESSAGING__SMTP__"
    os.environ.update({f"{smtp}HOST": server.host, f"{smtp}PORT": str(server.port), f"{smtp}TLS": "none"})
    seconds: list[float] = []
    async with running(settings) as platform:
        tenant = await platform.provisioning.create_tenant("bench", "Bench")
        member = await platform.provisioning.add_member(tenant, "bench@example.com", roles=[ADMINISTRATOR])
        token = await platform.auth.token_for(member.user_id, tenant)
        body = {
            "template": "messaging.welcome",
            "to": [str(member.user_id)],
            "data": {"product": "x"},
            "channels": ["messaging.email"],
        }
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(base_url=platform.base_url, headers=headers, timeout=30) as http:
            await platform.functions.registered.wait()
            for number in range(COUNT):
                started = time.perf_counter()
                answer = await http.post("/api/v1/messaging/messages", json=body)
                answer.raise_for_status()
                await server.wait_for(number + 1)
                seconds.append(time.perf_counter() - started)
    await server.stop()
    return sorted(seconds)


def run(directory: Path) -> list[float]:
    """The sorted latencies, in seconds."""
    migrate(f"sqlite+aiosqlite:///{directory / 'riveredge.db'}")
    return asyncio.run(measure(directory))
