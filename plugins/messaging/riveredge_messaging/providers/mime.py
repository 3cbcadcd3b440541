"""From a rendered message to a mail (RFC 5322, RFC 2045, RFC 2387)."""

from email.message import EmailMessage, MIMEPart
from email.policy import EmailPolicy
from email.utils import format_datetime
from functools import lru_cache
from typing import Any

from riveredge_messaging.providers.addresses import mail_address, needs_smtputf8
from riveredge_sdk import utcnow
from riveredge_sdk.features.messaging import Attachment, PermanentFailure, RenderedMessage

# 7 bit goes through every server.
_PLAIN = EmailPolicy(linesep="\r\n", cte_type="7bit")


class _Policy(EmailPolicy):
    """Remembers headers: most are the same in mail after mail, and parsing and folding them is most of the work.

    The library makes a clone of the policy for each part of a mail, so what is remembered is not the policy's own.
    """

    def header_max_count(self, name: str) -> int | None:
        return _max_count(name)

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        return _parsed(name, value) if type(value) is str else _PLAIN.header_store_parse(name, value)

    def fold_binary(self, name: str, value: str) -> bytes:
        return _folded(name, value)


@lru_cache(maxsize=256)
def _max_count(name: str) -> int | None:
    return _PLAIN.header_max_count(name)


@lru_cache(maxsize=1024)
def _parsed(name: str, value: str) -> tuple[str, Any]:
    return _PLAIN.header_store_parse(name, value)


@lru_cache(maxsize=1024)
def _folded(name: str, value: str) -> bytes:
    line = f"{name}: {value}"
    if value.isascii() and len(line) <= _MAX_LINE and any(len(word) > _LONG_WORD for word in value.split(" ")):
        # Python would write the word as an encoded one (RFC 2047), which in a link or an address nobody reads.
        return f"{line}\r\n".encode()
    return _PLAIN.fold_binary(name, value)


_POLICY = _Policy(linesep="\r\n", cte_type="7bit")
_UTF8 = EmailPolicy(linesep="\r\n", cte_type="7bit", utf8=True)
# RFC 5322 §2.1.1: what a line may have, and what it should have.
_MAX_LINE, _LONG_WORD = 998, 70
# Set by us alone.
_OURS = frozenset(
    {"from", "to", "cc", "bcc", "subject", "date", "message-id", "reply-to", "return-path", "sender", "content-type"}
)


def compose(message: RenderedMessage, sender: str, *, reply_to: str | None = None) -> EmailMessage:
    """The mail. Its Message-ID is the delivery's, so that a repeated one can be told by the reader's program.

    Raises:
        PermanentFailure: an address, a header or a file cannot be written into a mail.
    """
    try:
        # Such a mail goes only to servers that take its headers in UTF-8 (RFC 6532).
        utf8 = needs_smtputf8(sender, reply_to, message.address)
        mail = EmailMessage(policy=_UTF8 if utf8 else _POLICY)
        author = mail_address(sender)
        mail["From"] = author if utf8 else str(author)
        mail["To"] = mail_address(message.address)
        mail["Subject"] = message.subject
        if reply_to is not None:
            mail["Reply-To"] = mail_address(reply_to)
        mail["Date"] = format_datetime(utcnow())
        mail["Message-ID"] = f"<{message.delivery_id}@{author.domain or 'localhost'}>"
        mail["Auto-Submitted"] = "auto-generated"
        for name, value in message.headers.items():
            if name.lower() in _OURS:
                raise ValueError(f"the header {name} is not a message's to set")
            mail[name] = value
        _fill(mail, message)
    except (ValueError, IndexError, LookupError) as error:
        raise PermanentFailure(f"The mail cannot be written: {error}"[:500]) from None
    # Only now: setting the content takes away what was said about it.
    mail["Content-Language"] = message.locale
    return mail


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
