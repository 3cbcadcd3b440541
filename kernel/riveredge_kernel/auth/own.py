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
