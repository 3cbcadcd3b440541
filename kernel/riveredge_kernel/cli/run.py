"""`riveredge run`: everything at once, on embedded defaults, with demo data and a place where mail goes."""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from riveredge_kernel import logging
from riveredge_kernel.cli.serve import until_signalled
from riveredge_kernel.db.database import UnsafeRoleError
from riveredge_kernel.platform import Platform
from riveredge_kernel.schema import OutdatedSchemaError, runner_for
from riveredge_kernel.server import DatabaseAwayError, EngineMissingError, PortTakenError, running
from riveredge_kernel.settings import Settings
from riveredge_kernel.tenancy.demo import DemoUser, provision_demo

out = Console(highlight=False, soft_wrap=True)


def command(
    port: Annotated[int | None, typer.Option(help="Port of the platform; RIVEREDGE_PORT.")] = None,
    mail_port: Annotated[int, typer.Option(help="Port of the development mail server; 0 takes a free one.")] = 0,
    demo: Annotated[bool, typer.Option(help="Create the demo tenant.")] = True,
) -> None:
    """Migrate, start the platform and the embedded engine, create a demo tenant, and keep the mails it sends."""
    given: dict[str, Any] = {} if port is None else {"port": port}
    settings = Settings(**given)
    logging.configure(settings.model_copy(update={"log_level": "warning"}))
    started = time.monotonic()
    try:
        settings.var_dir.mkdir(parents=True, exist_ok=True)
        asyncio.run(_run(settings, mail_port, demo, started))
    except (DatabaseAwayError, EngineMissingError, OutdatedSchemaError, PortTakenError, UnsafeRoleError) as error:
        typer.secho(str(error), fg="red", err=True)
        sys.exit(1)
    except OSError as error:
        typer.secho(f"Cannot start: {error}", fg="red", err=True)
        sys.exit(1)
    out.print("Stopped.")


async def _run(settings: Settings, mail_port: int, demo: bool, started: float) -> None:
    async with contextlib.AsyncExitStack() as stack:
        _step(f"database {settings.database_url.split('@')[-1]}")
        for result in await runner_for(settings).upgrade_async():
            if not result.ok:
                out.print(f"  [red]{result.plugin}: {result.error}[/red]")
        mail_dir = await stack.enter_async_context(_mail_server(settings.var_dir / "mail", mail_port))
        _step("platform" + ("" if settings.inngest.base_url else " and embedded engine"))
        platform = await stack.enter_async_context(running(settings))
        users = await provision_demo(platform) if demo else []
        _welcome(platform, users, mail_dir, time.monotonic() - started)
        await until_signalled()
        out.print("\nStopping …")


def _step(text: str) -> None:
    out.print(f"[bold]▸ {text}[/bold]")


@contextlib.asynccontextmanager
async def _mail_server(directory: Path, port: int) -> AsyncIterator[Path | None]:
    """A mail server that keeps what it gets, and the messaging plugin's default while nothing else is set."""
    if "RIVEREDGE_MESSAGING__SMTP__HOST" in os.environ:
        yield None
        return
    try:
        from riveredge_sdk.testing.smtp import MailServer
    except ImportError:
        out.print('[yellow]! development mail server is off: pip install "riveredge-sdk[testing]"[/yellow]')
        yield None
        return
    server = MailServer(directory=directory, port=port)
    await server.start()
    _step(f"development mail server on port {server.port}, keeping mails in {directory}")
    os.environ["RIVEREDGE_MESSAGING__SMTP__HOST"] = server.host
    os.environ["RIVEREDGE_MESSAGING__SMTP__PORT"] = str(server.port)
    os.environ.setdefault("RIVEREDGE_MESSAGING__SMTP__TLS", "none")
    os.environ.setdefault("RIVEREDGE_MESSAGING__ALLOW_PRIVATE_SMTP", "true")
    try:
        yield directory
    finally:
        await server.stop()


def _welcome(platform: Platform, users: list[DemoUser], mail_dir: Path | None, seconds: float) -> None:
    base = platform.base_url
    out.print(f"\n[bold green]RiverEdge is up[/bold green] after {seconds:.1f} s\n")
    out.print(f"  API       {base}/api/v1      documentation {base}/docs")
    out.print(f"  Health    {base}/health/ready     metrics {base}/metrics")
    if platform.engine is not None:
        out.print(f"  Engine    {platform.settings.inngest.base_url}")
    if mail_dir is not None:
        out.print(f"  Mail      {mail_dir.resolve()}")
    failed = [report for report in platform.plugins.report() if report.state.startswith("failed")]
    for report in failed:
        out.print(f"  [yellow]! plugin {report.id} is off: {report.reason}[/yellow]")
    if users:
        out.print("\n  Demo tenant [bold]demo[/bold]:")
        for user in users:
            password = user.password or f"(unknown; set one: riveredge user password {user.email})"
            out.print(f"    {user.email:<22} {password}  {user.title}")
        sends = any(plugin.id == "messaging" for plugin in platform.plugins.active)
        _curl_lines(base, users[0], sends=sends)
    out.print("\nCtrl-C stops all of it.")


def _curl_lines(base: str, user: DemoUser, *, sends: bool) -> None:
    """Three lines that work when pasted into a shell, printed raw so that no wrapping breaks them.

    Args:
        sends: messages can be sent; else they show what there is.
    """
    read_answer = "python3 -c 'import json, sys; print(json.load(sys.stdin)[\"access_token\"])'"
    show = "python3 -m json.tool --no-ensure-ascii"
    json_type = "-H 'Content-Type: application/json'"
    bearer = '-H "Authorization: Bearer $TOKEN"'
    login = json.dumps({"email": user.email, "password": user.password or "PASSWORD"})
    message = json.dumps({"template": "messaging.welcome", "to": [str(user.id)], "data": {"product": "RiverEdge"}})
    what = "send a message by mail and in-app, see the runs that delivered it and the inbox"
    out.print(f"\nTry it: sign in, {what if sends else 'see who you are, and which plugins there are'}:")
    runs, inbox = f"{base}/api/v1/runs?limit=2", f"{base}/api/v1/messaging/inbox"
    lines = [
        f"TOKEN=$(curl -s {base}/api/v1/auth/login {json_type} -d '{login}' | {read_answer})",
        f"curl -s {base}/api/v1/auth/me {bearer} | {show}",
        f"curl -s {base}/api/v1/plugins {bearer} | {show}",
    ]
    if sends:
        lines[1:] = [
            f"curl -s {base}/api/v1/messaging/messages {bearer} {json_type} -d '{message}' | {show}",
            f"sleep 2; curl -s '{runs}' {bearer} | {show}; curl -s {inbox} {bearer} | {show}",
        ]
    sys.stdout.write("\n" + "\n".join(lines) + "\n")
    sys.stdout.flush()
