"""From a rendered message to a mail (RFC 5322, RFC 2045, RFC 2387)."""

import re
from collections.abc import Iterator
from email.headerregistry import Address
from email.message import EmailMessage, MIMEPart
from email.policy import EmailPolicy
from email.utils import format_datetime
from functools import lru_cache
from typing import Any
from uuid import uuid4

from riveredge_messaging.providers.addresses import mail_address, needs_smtputf8
from riveredge_sdk import utcnow
from riveredge_sdk.features.messaging import Attachment, PermanentFailure, RenderedMessage

# 7 bit goes through every server.
_POLICY = EmailPolicy(linesep="\r\n", cte_type="7bit")
_UTF8 = EmailPolicy(linesep="\r\n", cte_type="7bit", utf8=True)


class _Remembering(EmailPolicy):
    """Remembers the headers of texts, of which there are few: parsing them is most of the work.

    The library makes a clone of the policy for each part of a mail, so what is remembered is not the policy's own.
    """

    def header_max_count(self, name: str) -> int | None:
        return _max_count(name)

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        return _stored(name, value)


@lru_cache(maxsize=256)
def _max_count(name: str) -> int | None:
    return _POLICY.header_max_count(name)


@lru_cache(maxsize=256)
def _stored(name: str, value: str) -> tuple[str, Any]:
    return _POLICY.header_store_parse(name, value)


_REMEMBERING = _Remembering(linesep="\r\n", cte_type="7bit")
# RFC 5322 §2.1.1: what a line may have, and what it should have, without the colon, the space and the break.
_MAX_LINE, _SHORT_LINE, _LONG_WORD = 996, 76, 70
# What the name of a header is of: printable, no space, no colon.
_NAME = re.compile(r"[!-9;-~]+")
# Set by us alone.
_OURS = frozenset(
    {"from", "to", "cc", "bcc", "subject", "date", "message-id", "reply-to", "return-path", "sender", "mime-version"}
)
_OF_CONTENT = "content-"


def compose(message: RenderedMessage, sender: str, *, reply_to: str | None = None) -> bytes:
    """The mail. Its Message-ID is the delivery's, so that a repeated one can be told by the reader's program.

    Raises:
        PermanentFailure: an address, a header or a file cannot be written into a mail.
    """
    try:
        # Such a mail goes only to servers that take its headers in UTF-8 (RFC 6532).
        utf8 = needs_smtputf8(sender, reply_to, message.address)
        head = [_folded(name, value, utf8=utf8) for name, value in _headers(message, sender, reply_to)]
        return b"".join(head) + _content(message)
    except (ValueError, IndexError, LookupError) as error:
        raise PermanentFailure(f"The mail cannot be written: {error}"[:500]) from None


def _headers(message: RenderedMessage, sender: str, reply_to: str | None) -> Iterator[tuple[str, Address | str]]:
    author = mail_address(sender)
    yield "From", author
    yield "To", mail_address(message.address)
    yield "Subject", message.subject
    if reply_to is not None:
        yield "Reply-To", mail_address(reply_to)
    yield "Date", format_datetime(utcnow())
    yield "Message-ID", f"<{message.delivery_id}@{author.domain or 'localhost'}>"
    yield "Auto-Submitted", "auto-generated"
    for name, value in message.headers.items():
        if name.lower() in _OURS or name.lower().startswith(_OF_CONTENT):
            raise ValueError(f"the header {name} is not a message's to set")
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name[:100]!r} is no name of a header")
        yield name, value
    yield "Content-Language", message.locale


def _folded(name: str, value: Address | str, *, utf8: bool) -> bytes:
    """A header's lines. Most are short, and are written as they are; Python would parse and write each anew."""
    text = str(value)
    if text.isascii() and text.isprintable() and "=?" not in text:
        length = len(name) + len(text)
        # A longer word, Python would write as an encoded one (RFC 2047), which in a link or an address nobody reads.
        if length <= _SHORT_LINE or (length <= _MAX_LINE and max(map(len, text.split(" "))) > _LONG_WORD):
            return f"{name}: {text}\r\n".encode()
    return _written(_UTF8, name, value) if utf8 else _remembered(name, text)


# What is the same in mail after mail: a sender's name, a subject.
@lru_cache(maxsize=256)
def _remembered(name: str, text: str) -> bytes:
    return _written(_POLICY, name, text)


def _written(policy: "EmailPolicy[Any]", name: str, value: Address | str) -> bytes:
    return policy.fold_binary(*policy.header_store_parse(name, value))


def _content(message: RenderedMessage) -> bytes:
    if not message.files:
        return b"MIME-Version: 1.0\r\n" + _texts(message.text, message.html)
    mail = EmailMessage(policy=_POLICY)
    _fill(mail, message)
    return mail.as_bytes()


def _texts(text: str, html: str | None) -> bytes:
    """Both texts, put together here: Python would read and write the boundary several times."""
    if html is None:
        return _text(text, "plain")
    boundary = uuid4().hex
    head = f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n'
    return b"".join(
        (
            f"{head}\r\n--{boundary}\r\n".encode(),
            _text(text, "plain"),
            f"\r\n--{boundary}\r\n".encode(),
            _text(html, "html"),
            f"\r\n--{boundary}--\r\n".encode(),
        )
    )


# Those who read a message alike get the same.
@lru_cache(maxsize=32)
def _text(text: str, subtype: str) -> bytes:
    part = MIMEPart(policy=_REMEMBERING)
    part.set_content(text, subtype=subtype)
    return part.as_bytes()


def _fill(mail: EmailMessage, message: RenderedMessage) -> None:
    mail.set_content(message.text)
    shown: MIMEPart | None = None
    if message.html is not None:
        mail.add_alternative(message.html, subtype="html")
        shown = mail.get_body(("html",))
    for file in message.files:
        main, sub = _media_type(file)
        if shown is not None and file.content_id is not None:
            content_id = f"<{file.content_id}>"
            shown.add_related(
                file.content, maintype=main, subtype=sub, cid=content_id, filename=file.name, disposition="inline"
            )
        else:
            mail.add_attachment(file.content, maintype=main, subtype=sub, filename=file.name)


def _media_type(file: Attachment) -> tuple[str, str]:
    main, _, sub = file.media_type.partition("/")
    # Both nest what is theirs to encode.
    if not sub or main in {"multipart", "message"}:
        return "application", "octet-stream"
    return main, sub
