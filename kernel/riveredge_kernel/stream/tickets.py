"""One-time tickets: a browser's WebSocket cannot send a header, and a token in an address would end up in logs.

A ticket is what its owner showed when it was made, sealed by the platform's secret key, and good once: its digest is a
row until it is used. So the database holds nothing that opens anything.
"""

import hashlib
import json
from datetime import timedelta

from cryptography.fernet import InvalidToken, MultiFernet
from sqlalchemy import delete
from sqlmodel import col

from riveredge_kernel.db.database import Database
from riveredge_kernel.stream.follower import Credential
from riveredge_kernel.stream.models import StreamTicket
from riveredge_sdk.models import utcnow
from riveredge_sdk.problems import Unauthorized
from riveredge_sdk.runtime import Runtime
from riveredge_sdk.uow import session

TICKET_SECONDS = 30
MAX_TICKET = 8192


class StreamTickets:
    """Makes and takes tickets."""

    def __init__(self, database: Database, runtime: Runtime, vault: MultiFernet) -> None:
        self._database = database
        self._runtime = runtime
        self._vault = vault

    async def issue(self, credential: Credential) -> str:
        """A ticket for what the credential is good for, in the running unit of work."""
        content = {"a": credential.authorization, "t": credential.tenant_hint}
        # Fernet seals with a random vector: no two tickets are alike.
        sealed = self._vault.encrypt(json.dumps(content).encode()).decode()
        session().add(StreamTicket(digest=_digest(sealed), expires_at=utcnow() + timedelta(seconds=TICKET_SECONDS)))
        await session().flush()
        return sealed

    async def redeem(self, ticket: str, address: str | None) -> Credential:
        """What the ticket was made of, shown from this address. Of simultaneous tries one gets it.

        Raises:
            Unauthorized: it is none of ours, was used before, or is too old.
        """
        refused = Unauthorized("The ticket is used, too old or not ours. Get another: POST /api/v1/stream/tickets.")
        try:
            content = json.loads(self._vault.decrypt(ticket[:MAX_TICKET].encode(), ttl=TICKET_SECONDS))
        except InvalidToken:
            raise refused from None
        one = (col(StreamTicket.digest) == _digest(ticket), col(StreamTicket.expires_at) > utcnow())
        async with self._database.system("stream ticket", self._runtime) as system:
            if (await system.exec(delete(StreamTicket).where(*one))).rowcount != 1:
                raise refused
        return Credential(content["a"], content["t"], address)


def _digest(ticket: str) -> str:
    return hashlib.sha256(ticket.encode()).hexdigest()
