"""Reports about mails: delivery status notifications (RFC 3464) and complaints (RFC 5965)."""

import email
import email.policy
import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from email.message import EmailMessage, Message
from email.utils import parsedate_to_datetime
from uuid import UUID

from riveredge_messaging.providers.mime import delivery_of
from riveredge_sdk import utcnow
from riveredge_sdk.features.messaging import ProviderEvent, ProviderEventKind

MAX_PARTS = 50


def read(raw: bytes) -> Sequence[ProviderEvent]:
    """What a report says about our mails; empty for what is no report of any of them (an automatic answer, say).

    Raises:
        ValueError: it is no mail.
    """
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    if not mail.keys():
        raise ValueError("expected a mail, as it came in")
    delivery = _delivery(mail)
    if delivery is None or mail.get_content_type() != "multipart/report":
        return []
    key = _key(mail, raw)
    at = _time(mail)
    events = []
    for number, (kind, detail) in enumerate(_told(mail)):
        events.append(ProviderEvent(id=f"{key}:{number}", kind=kind, reference=str(delivery), at=at, detail=detail))
    return events


def _told(mail: EmailMessage) -> Iterator[tuple[ProviderEventKind, str]]:
    for part in _parts(mail):
        if part.get_content_type() == "message/delivery-status":
            blocks = part.get_payload()
            # The first block is about the report itself (RFC 3464 §2.1).
            for block in blocks[1:] if isinstance(blocks, list) else ():
                if isinstance(block, Message) and (found := _status(block)) is not None:
                    yield found
        elif part.get_content_type() == "message/feedback-report":
            yield "complained", "The reader has complained about it."


def _status(block: Message) -> tuple[ProviderEventKind, str] | None:
    action = str(block.get("Action", "")).strip().lower()
    status = str(block.get("Status", "")).strip()
    diagnostic = " ".join(str(block.get("Diagnostic-Code", "")).split())
    detail = f"{status} {diagnostic}".strip()[:500]
    if action == "failed":
        # 5.y.z is final; of those, x.1.z is the address and x.2.1 the closed mailbox (RFC 3463).
        gone = status.startswith(("5.1.", "5.2.1", "5.4.4"))
        return ("bounced" if gone else "soft_bounced"), detail
    if action in {"delivered", "relayed", "expanded"}:
        return "delivered", detail
    return None


def _parts(mail: EmailMessage) -> Iterator[Message]:
    for number, part in enumerate(mail.walk()):
        if number >= MAX_PARTS:
            return
        yield part


def _delivery(mail: EmailMessage) -> UUID | None:
    """Whom it is about: by the address it was sent to, else by the Message-ID of the mail it brings back."""
    for name in ("Delivered-To", "X-Original-To", "To"):
        for value in mail.get_all(name, []):
            if (found := delivery_of(str(value))) is not None:
                return found
    for part in _parts(mail):
        if part.get_content_type() in {"message/rfc822", "text/rfc822-headers"}:
            for line in str(part).splitlines():
                if line.lower().startswith("message-id:") and (found := delivery_of(line)) is not None:
                    return found
    return None


def _key(mail: EmailMessage, raw: bytes) -> str:
    message_id = str(mail.get("Message-ID", "")).strip()
    return hashlib.sha256(message_id.encode() if message_id else raw).hexdigest()


def _time(mail: EmailMessage) -> datetime:
    try:
        found = parsedate_to_datetime(str(mail["Date"]))
    except (TypeError, ValueError):
        return utcnow()
    return found if found.tzinfo is not None else utcnow()
