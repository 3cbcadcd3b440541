"""`/api/v1/auth/password` and `/api/v1/auth/email`: one's own account, and how to get back into it."""

from typing import Annotated

from pydantic import BaseModel, Field
from starlette.requests import Request

from riveredge_kernel.auth.accounts import Accounts
from riveredge_kernel.auth.answers import Email, Password, Secret
from riveredge_kernel.auth.devices import device_of
from riveredge_kernel.auth.own import own_session
from riveredge_kernel.auth.proofs import ProofIn, Proofs
from riveredge_kernel.auth.service import AuthService
from riveredge_kernel.tenancy.provisioning import checked_email
from riveredge_sdk.http import Body, Router
from riveredge_sdk.problems import Conflict


class ForgotIn(Body):
    """Whose password."""

    email: Email


class ResetIn(Body):
    """The secret of the mail's link (what follows `#token=`), and the new password."""

    token: Secret
    password: Password


class PasswordIn(ProofIn):
    """Who one is, and the new password."""

    new_password: Password


class EmailIn(ProofIn):
    """Who one is, and the new address."""

    email: Email


class VerifyIn(Body):
    """The secret of the mail's link (what follows `#token=`)."""

    token: Secret


class Sent(BaseModel):
    """What happens next."""

    detail: Annotated[str, Field(description="For the person reading.")]


def account_router(service: AuthService, accounts: Accounts, proofs: Proofs) -> Router:
    """The routes."""
    router = Router(prefix="/auth", tag="Own account")

    @router.post("/password/forgot", public=True, status=202, summary="Ask for a link to choose a new password")
    async def forgot_password(body: ForgotIn, request: Request) -> Sent:
        """The answer is the same whether there is such an account or not."""
        await accounts.forgot(checked_email(body.email), device_of(request))
        return Sent(detail="If there is an account with this address, a mail with a link is on its way.")

    @router.post("/password/reset", public=True, status=204, summary="Choose a new password by a mail's link")
    async def reset_password(body: ResetIn) -> None:
        """Ends all sessions. A second factor stays."""
        await accounts.reset(body.token, body.password)

    @router.put("/password", signed_in=True, status=204, summary="Change one's password")
    async def change_password(body: PasswordIn, request: Request) -> None:
        """Ends all other sessions."""
        me, current = own_session()
        user, _ = await proofs.check(me.id, current, device_of(request), body)
        await accounts.change_password(user, body.new_password, keep=current)

    @router.post(
        "/email/verification",
        signed_in=True,
        status=202,
        own_transactions=True,
        summary="Ask for a link that confirms one's address",
    )
    async def ask_for_verification(request: Request) -> Sent:
        me, _ = own_session()
        user, _ = await service.me(me.id)
        if user.email_verified_at is not None:
            raise Conflict("Your address is confirmed already.")
        await accounts.ask_to_verify(user, user.email, device_of(request))
        return Sent(detail=f"A mail with a link is on its way to {user.email}.")

    @router.put("/email", signed_in=True, status=202, summary="Change one's e-mail address")
    async def change_email(body: EmailIn, request: Request) -> Sent:
        """The new address counts once the link that is sent there was opened; the old one is told."""
        address = checked_email(body.email)
        me, current = own_session()
        user, _ = await proofs.check(me.id, current, device_of(request), body)
        await accounts.ask_to_verify(user, address, device_of(request))
        return Sent(detail=f"A mail with a link is on its way to {address}.")

    @router.post("/email/verify", public=True, status=204, summary="Confirm an address by a mail's link")
    async def verify_email(body: VerifyIn) -> None:
        await accounts.verify(body.token)

    return router
