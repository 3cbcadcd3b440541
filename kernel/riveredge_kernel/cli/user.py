"""`riveredge user`: create users, and mend their access."""

import secrets
from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table
from sqlmodel import col, select

from riveredge_kernel.auth.explain import Explainer
from riveredge_kernel.auth.leaving import switch_account
from riveredge_kernel.auth.members import Members, MemberService
from riveredge_kernel.auth.models import Membership, User
from riveredge_kernel.auth.permissions import ADMINISTRATOR
from riveredge_kernel.cli.common import out, wide_table, with_platform
from riveredge_kernel.cli.operator import in_tenant
from riveredge_kernel.platform import Platform
from riveredge_sdk.problems import NotFound

app = typer.Typer(help="Create and manage users.", no_args_is_help=True)

TenantSlug = Annotated[str, typer.Argument(help="The organisation's short name.")]
Email = Annotated[str, typer.Argument(help="The user's e-mail address.")]


def _ask_password(generate: bool) -> str:
    if generate:
        return secrets.token_urlsafe(12)
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


@app.command()
def add(
    tenant: TenantSlug,
    email: Email,
    name: Annotated[str, typer.Option(help="Full name.")] = "",
    role: Annotated[list[str] | None, typer.Option(help="A role's key; repeat it for several.")] = None,
    admin: Annotated[bool, typer.Option("--admin", help="Give the administrator's role.")] = False,
    generate: Annotated[bool, typer.Option("--generate", help="Make a password and print it.")] = False,
) -> None:
    """Make somebody a member of an organisation; asks for a password if they are new."""

    async def is_new(platform: Platform) -> bool:
        try:
            await platform.auth.service.find(email)
        except NotFound:
            return True
        return False

    password = _ask_password(generate) if with_platform(is_new) else None
    roles = [*(role or ()), *([ADMINISTRATOR] if admin else ())]

    async def do(platform: Platform) -> None:
        found = await platform.provisioning.find_tenant(tenant)
        await platform.provisioning.add_member(found.id, email, name=name, password=password, roles=roles)

    with_platform(do)
    out.print(f"{email} is a member of {tenant} now." + (f" Password: {password}" if generate and password else ""))


@app.command(name="list")
def list_users(tenant: TenantSlug) -> None:
    """The members of an organisation."""

    async def do(platform: Platform) -> None:
        found = await platform.provisioning.find_tenant(tenant)
        table = Table("e-mail", "name", "active", "verified", "id")
        query = select(User, Membership).join(Membership, col(Membership.user_id) == col(User.id))
        async with platform.database.system("list users", platform.runtime, read_only=True) as session:
            rows = await session.exec(query.where(col(Membership.tenant_id) == found.id).order_by(col(User.email)))
            for user, membership in rows:
                active = "yes" if user.active and membership.active else "no"
                verified = "yes" if user.email_verified_at else "no"
                table.add_row(user.email, user.name, active, verified, str(user.id))
        out.print(table)

    with_platform(do)


@app.command()
def why(
    tenant: TenantSlug,
    email: Email,
    permission: Annotated[str | None, typer.Argument(help="Only this one; none: all that there are.")] = None,
) -> None:
    """Tell what somebody may do in an organisation, and why."""

    async def do(platform: Platform) -> None:
        user = await platform.auth.service.find(email)
        member = await Members().find(col(Membership.user_id) == user.id)
        if member is None:
            raise NotFound(f"{email} is no member of {tenant}.")
        explainer = Explainer(platform.plugins, platform.tenants)
        told = await MemberService(platform.auth.grants, explainer).explain(member.id, permission)
        for obstacle in told.obstacles:
            out.print(f"✗ {obstacle.message}")
        table = wide_table("permission", "may", "why")
        for one in told.permissions:
            table.add_row(one.id, "yes" if one.allowed else "no", one.reason)
        out.print(table)

    in_tenant(tenant, do)


@app.command()
def password(
    email: Email,
    generate: Annotated[bool, typer.Option("--generate", help="Make one and print it.")] = False,
) -> None:
    """Set a password, sign the user out everywhere, and lift a lock."""
    chosen = _ask_password(generate)

    async def do(platform: Platform) -> None:
        await platform.auth.service.set_password((await platform.auth.service.find(email)).id, chosen)

    with_platform(do)
    out.print(f"Password set.{f' It is {chosen}' if generate else ''}")


@app.command(name="reset-link")
def reset_link(email: Email) -> None:
    """Print a link with which the user chooses a new password; for installations without a mail server."""

    async def do(platform: Platform) -> str:
        return await platform.auth.mails.reset_link(await platform.auth.service.find(email), by_hand=True)

    out.print(with_platform(do))
    out.print("It is good once, for two hours. Whoever has it can take over the account: hand it to nobody else.")


@app.command()
def sessions(email: Email) -> None:
    """Where somebody is signed in."""

    async def do(platform: Platform) -> None:
        user = await platform.auth.service.find(email)
        table = wide_table("id", "begun", "last used", "how", "second factor", "from", "device")
        async with platform.database.system("list sessions", platform.runtime, read_only=True) as db:
            for one in await platform.auth.sessions.of_user(db, user.id):
                second = "yes" if one.second_factor else "no"
                begun, used = one.created_at.isoformat(" ", "minutes"), one.last_used_at.isoformat(" ", "minutes")
                table.add_row(str(one.id), begun, used, one.method, second, one.ip, one.user_agent)
        out.print(table)

    with_platform(do)


@app.command(name="sign-out")
def sign_out(
    email: Email,
    session: Annotated[
        UUID | None, typer.Option(help="Only this session; `riveredge user sessions` lists them.")
    ] = None,
) -> None:
    """End somebody's sessions: all, or one."""

    async def do(platform: Platform) -> int:
        user = await platform.auth.service.find(email)
        async with platform.database.system("sign-out", platform.runtime) as db:
            found = [one.id for one in await platform.auth.sessions.of_user(db, user.id)]
            ids = [one for one in found if session is None or one == session]
            return await platform.auth.sessions.revoke(db, ids, "by an operator")

    out.print(f"{with_platform(do)} session(s) ended.")


@app.command(name="second-factor-off")
def second_factor_off(email: Email) -> None:
    """Switch somebody's second factor off, who has lost the phone and the recovery codes. Make sure that it is them."""

    async def do(platform: Platform) -> None:
        await platform.auth.second_factor.switch_off((await platform.auth.service.find(email)).id)

    with_platform(do)
    out.print(f"{email} signs in without a second factor now.")


@app.command()
def unlock(email: Email) -> None:
    """Forget wrong passwords and codes, so that somebody who was locked can try again."""

    async def do(platform: Platform) -> None:
        user = await platform.auth.service.find(email)
        await platform.auth.guesses.unlock(user.email)
        await platform.auth.guesses.right_code(user.id)

    with_platform(do)
    out.print(f"{email} can try again.")


def _set_active(email: str, active: bool) -> None:
    async def do(platform: Platform) -> None:
        found = await platform.auth.service.find(email)
        await switch_account(platform.runtime, found.id, active=active)

    with_platform(do)
    out.print(f"{email} is {'active' if active else 'locked out'} now.")


@app.command()
def deactivate(email: Email) -> None:
    """Lock somebody out of every organisation; tokens stop working within seconds."""
    _set_active(email, False)


@app.command()
def activate(email: Email) -> None:
    """Let them in again."""
    _set_active(email, True)
