"""Mails about accounts. The secret in a link is made in the step that sends it, and is kept nowhere but as a hash."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import quote
from uuid import UUID, uuid4

from pydantic import BaseModel
from sqlmodel import col, select

from riveredge_kernel.auth.mail_templates import CHANGED, INVITATION, RESET_PASSWORD, VERIFY_EMAIL
from riveredge_kernel.auth.models import User
from riveredge_kernel.auth.one_time import OneTimeTokens, Purpose
from riveredge_kernel.db.database import Database
from riveredge_kernel.settings import Settings
from riveredge_sdk.context import Context, find_context, use_context
from riveredge_sdk.events import EventType
from riveredge_sdk.features.messaging import MAILER, DirectMail, Mailer, MessageTemplateSpec, PermanentFailure
from riveredge_sdk.functions import FunctionContext, FunctionSpec, NonRetriableError
from riveredge_sdk.ports import find_service
from riveredge_sdk.problems import Unavailable
from riveredge_sdk.runtime import Runtime
from riveredge_sdk.uow import publish, unit_of_work

Change = Literal["password", "email", "second_factor_on", "second_factor_off"]
RESET_LIFE = timedelta(hours=2)
VERIFY_LIFE = timedelta(hours=48)


class AccountMail(BaseModel):
    """A mail to whoever has this address, if anybody has. `what` is what has changed."""

    kind: Literal["reset_password", "verify_email", "account_changed"]
    address: str
    user_id: UUID | None = None
    what: Change | None = None


ACCOUNT_MAIL_REQUESTED = EventType(
    "kernel/account_mail.requested", AccountMail, "A mail about an account is to be sent", internal=True
)

MakeLink = Callable[[User, AccountMail], Awaitable[str]]


class AccountMails:
    """Asks for mails, and sends them."""

    def __init__(self, database: Database, runtime: Runtime, settings: Settings) -> None:
        self._database = database
        self._runtime = runtime
        self._settings = settings

    def link(self, page: str, token: str = "") -> str:
        """Where a page of the front end is. Never made of what a request says about its host.

        The secret stands behind the #, so that it is sent neither to servers nor to other sites.
        """
        base = self._settings.auth.pages_url or f"{self._settings.base_url.rstrip('/')}/apps/console"
        return f"{base.rstrip('/')}/{page}" + (f"#token={quote(token, safe='')}" if token else "")

    def require_mailer(self) -> Mailer:
        """The way out.

        Raises:
            Unavailable: there is none.
        """
        mailer = find_service(MAILER)
        if mailer is None or not mailer.is_ready():
            raise Unavailable(
                "This installation sends no mails: no mail server is set (RIVEREDGE_MESSAGING__SMTP__HOST). "
                "An administrator or operator can give you a link."
            )
        return mailer

    async def ask(self, mail: AccountMail) -> None:
        """Have a mail sent, in a transaction of its own. The same work whoever has the address."""
        found = find_context()
        context = Context(
            runtime=self._runtime, system_reason="account mail", request_id=found.request_id if found else ""
        )
        with use_context(context):
            async with unit_of_work(independent=True):
                publish(ACCOUNT_MAIL_REQUESTED, mail)

    async def tell(self, user: User, what: Change, *, address: str | None = None) -> None:
        """Tell somebody that something about their account's safety has changed."""
        mail = AccountMail(kind="account_changed", address=address or user.email, user_id=user.id, what=what)
        await self.ask(mail)

    async def send(self, mail: AccountMail) -> str:
        """Make the secret, and hand the mail over.

        Raises:
            TemporaryFailure: try again; the next mail has another secret.
            NonRetriableError: trying again cannot help.
        """
        mailer = find_service(MAILER)
        if mailer is None or not mailer.is_ready():
            return "no mail server"
        user = await self._user(mail)
        if user is None or not user.active:
            return "nobody"
        template, data = await self._content(user, mail)
        await self.deliver(mailer, template, mail.address, data, locale=user.locale, timezone=user.timezone)
        return "sent"

    @staticmethod
    async def deliver(
        mailer: Mailer,
        template: MessageTemplateSpec,
        address: str,
        data: Mapping[str, Any],
        *,
        locale: str | None,
        timezone: str | None = None,
    ) -> None:
        """Hand one mail over; what cannot succeed is not tried again."""
        direct = DirectMail(
            template=template.id,
            address=address,
            data=data,
            locale=locale or "en",
            timezone=timezone or "UTC",
            key=uuid4(),
        )
        try:
            await mailer.send(direct)
        except PermanentFailure as failure:
            raise NonRetriableError(str(failure)) from None

    async def _user(self, mail: AccountMail) -> User | None:
        who = col(User.id) == mail.user_id if mail.user_id else col(User.email) == mail.address
        async with self._database.system("account mail", self._runtime, read_only=True) as db:
            return (await db.exec(select(User).where(who))).one_or_none()

    async def _content(self, user: User, mail: AccountMail) -> tuple[MessageTemplateSpec, dict[str, Any]]:
        if mail.kind == "account_changed":
            return CHANGED, {"what": mail.what, "link": self.link("forgot-password")}
        if mail.kind == "verify_email":
            return VERIFY_EMAIL, {"link": await self.verify_link(user, mail.address), "hours": _hours(VERIFY_LIFE)}
        return RESET_PASSWORD, {"link": await self.reset_link(user), "hours": _hours(RESET_LIFE)}

    async def reset_link(self, user: User, *, by_hand: bool = False) -> str:
        """A link that lets whoever has it choose the user's password.

        Args:
            by_hand: it goes another way than to the user's address, and so does not prove that.
        """
        async with self._database.system("account mail", self._runtime) as db:
            data = {"email": user.email, "by_hand": by_hand}
            token = await OneTimeTokens.issue(db, user.id, Purpose.RESET_PASSWORD, RESET_LIFE, data)
        return self.link("reset-password", token)

    async def verify_link(self, user: User, address: str) -> str:
        """A link that makes the address the user's."""
        async with self._database.system("account mail", self._runtime) as db:
            data = {"email": address}
            token = await OneTimeTokens.issue(db, user.id, Purpose.VERIFY_EMAIL, VERIFY_LIFE, data)
        return self.link("verify-email", token)


def _hours(life: timedelta) -> int:
    return int(life.total_seconds() // 3600)


def mail_functions(mails: AccountMails) -> list[FunctionSpec[Any]]:
    """The durable function that sends them."""

    async def send(ctx: FunctionContext, mail: AccountMail) -> str:
        return await ctx.step.run("send", lambda: mails.send(mail))

    return [
        FunctionSpec(
            id="kernel.account_mail",
            title="Send a mail about an account",
            trigger=ACCOUNT_MAIL_REQUESTED,
            handler=send,
            system=True,
            retries=6,
        )
    ]


__all__ = ["ACCOUNT_MAIL_REQUESTED", "INVITATION", "AccountMail", "AccountMails", "mail_functions"]
