"""Reports about mails: delivery status notifications (RFC 3464) and complaints (RFC 5965)."""

import email
import email.policy
import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from uuid import UUID

import structlog

from riveredge_messaging.providers.returns import HEADER, Marks
from riveredge_sdk import utcnow
from riveredge_sdk.features.messaging import ProviderEvent, ProviderEventKind

log = structlog.get_logger(__name__)

MAX_PARTS = 50
# RFC 5965 §7.3 and RFC 6430: others, such as "not-spam", are no complaints.
COMPLAINTS = frozenset({"abuse", "fraud", "opt-out", "opt-out-list"})


def read(raw: bytes, marks: Marks) -> Sequence[ProviderEvent]:
    """What a report says about our mails; empty for what is no report of any of them (an automatic answer, say).

    Anybody can write such a report: it is believed if it brings back the mark of the mail.

    Raises:
        ValueError: it is no mail.
    """
    # By the old rules, which take headers as they are: the new ones fail at some that anybody can write.
    mail = email.message_from_bytes(raw, policy=email.policy.compat32)
    if not mail.keys():
        raise ValueError("expected a mail, as it came in")
    if mail.get_content_type() != "multipart/report":
        return []
    delivery = _delivery(mail, marks)
    if delivery is None:
        log.warning("report_not_believed", to=str(mail.get("To", ""))[:200])
        return []
    key = _key(mail, raw)
    at = _time(mail)
    events = []
    for number, (kind, detail) in enumerate(_told(mail)):
        events.append(ProviderEvent(id=f"{key}:{number}", kind=kind, reference=str(delivery), at=at, detail=detail))
    return events


def _told(mail: Message) -> Iterator[tuple[ProviderEventKind, str]]:
    for part in _parts(mail):
        if part.get_content_type() == "message/delivery-status":
            blocks = part.get_payload()
            # The first block is about the report itself (RFC 3464 §2.1).
            for block in blocks[1:] if isinstance(blocks, list) else ():
                if isinstance(block, Message) and (found := _status(block)) is not None:
                    yield found
        elif part.get_content_type() == "message/feedback-report":
            kind = str(_inner(part).get("Feedback-Type", "")).strip().lower()
            if kind in COMPLAINTS:
                yield "complained", f"The reader has complained about it: {kind}."


def _inner(part: Message) -> Message:
    """What lies in a part message/…, as headers."""
    payload = part.get_payload()
    return payload[0] if isinstance(payload, list) and payload and isinstance(payload[0], Message) else Message()


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


def _parts(mail: Message) -> Iterator[Message]:
    for number, part in enumerate(mail.walk()):
        if number >= MAX_PARTS:
            return
        yield part


def _delivery(mail: Message, marks: Marks) -> UUID | None:
    """Whom it is about: by the address it was sent to, else by what it brings back of the mail."""
    for text in _marked(mail):
        if (found := marks.find(text)) is not None:
            return found
    return None


def _marked(mail: Message) -> Iterator[str]:
    """Where the mark may stand."""
    for name in ("Delivered-To", "X-Original-To", "To"):
        yield from map(str, mail.get_all(name, []))
    for part in _parts(mail):
        match part.get_content_type():
            case "message/feedback-report":
                yield str(_inner(part).get("Original-Mail-From", ""))
            case "message/rfc822":
                yield from (str(_inner(part).get(name, "")) for name in (HEADER, "Return-Path"))
            case "text/rfc822-headers":
                body = part.get_payload(decode=True)
                lines = body.decode(errors="replace").splitlines() if isinstance(body, bytes) else []
                yield from (line for line in lines if line.lower().startswith(f"{HEADER.lower()}:"))


def _key(mail: Message, raw: bytes) -> str:
    message_id = str(mail.get("Message-ID", "")).strip()
    return hashlib.sha256(message_id.encode() if message_id else raw).hexdigest()


def _time(mail: Message) -> datetime:
    try:
        found = parsedate_to_datetime(str(mail["Date"]))
    except (TypeError, ValueError):
        return utcnow()
    return found if found.tzinfo is not None else utcnow()
