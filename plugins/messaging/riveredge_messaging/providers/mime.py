"""From a rendered message to a mail (RFC 5322, RFC 2045, RFC 2387)."""

from email.headerregistry import Address
from email.message import EmailMessage, MIMEPart
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime

from riveredge_messaging.providers.smtp_config import mail_address
from riveredge_sdk import utcnow
from riveredge_sdk.features.messaging import Attachment, PermanentFailure, RenderedMessage

# 7 bit goes through every server.
_POLICY = SMTP_POLICY.clone(cte_type="7bit")
# Set by us alone.
_OURS = frozenset(
    {"from", "to", "cc", "bcc", "subject", "date", "message-id", "reply-to", "return-path", "sender", "content-type"}
)


def compose(message: RenderedMessage, sender: str, *, reply_to: str | None = None) -> EmailMessage:
    """The mail. Its Message-ID is the delivery's, so that a repeated one can be told by the reader's program.

    Raises:
        PermanentFailure: an address, a header or a file cannot be written into a mail.
    """
    mail = EmailMessage(policy=_POLICY)
    try:
        author = mail_address(sender)
        mail["From"] = author
        mail["To"] = Address(addr_spec=message.address)
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
