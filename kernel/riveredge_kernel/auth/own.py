"""What only a person who has signed in may do, whatever an API key of theirs allows."""

from uuid import UUID

from riveredge_sdk.auth import Principal, current_principal
from riveredge_sdk.problems import Forbidden


def own_session() -> tuple[Principal, UUID]:
    """Who has signed in, and their session.

    Raises:
        Forbidden: it is an API key that asks.
    """
    principal = current_principal()
    if principal.session_id is None:
        raise Forbidden("An API key cannot do this. Sign in, and send an access token.")
    return principal, principal.session_id


def own_account() -> tuple[Principal, UUID]:
    """Who has signed in, and their session, for what concerns the whole account.

    Raises:
        Forbidden: it is an API key that asks; or only one organisation's identity provider has vouched for the person,
            and whoever runs that could otherwise open the account everywhere.
    """
    principal, session_id = own_session()
    if principal.tenant_bound:
        raise Forbidden(
            "You have signed in through the identity provider of one organisation; this concerns your whole account. "
            "Sign in with your password. If you have none, POST /api/v1/auth/password/forgot sends a link."
        )
    return principal, session_id
