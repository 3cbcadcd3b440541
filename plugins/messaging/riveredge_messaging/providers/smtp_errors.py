"""What a mail server's answers mean for a delivery (RFC 5321 §4.2, enhanced codes of RFC 3463)."""

import re
import ssl
from typing import Literal

import aiosmtplib

from riveredge_sdk.features.messaging import ConfigurationFailure, PermanentFailure, TemporaryFailure

Phase = Literal["sender", "recipient", "content"]

# 452 says that there is no room now, for mails or for this many of them.
QUOTA_SECONDS = 300
_ENHANCED = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})\b")
_UNKNOWN = re.compile(r"user unknown|unknown user|no such (user|mailbox|recipient)|does not exist", re.IGNORECASE)


def connection_failure(error: Exception) -> Exception:
    """Why there is no signed-in connection."""
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        text = f"The mail server refuses the sign-in: {error.code} {error.message}"[:500]
        return ConfigurationFailure(text) if error.code >= 500 else TemporaryFailure(text)
    if isinstance(error, aiosmtplib.SMTPNotSupported):
        return ConfigurationFailure(f"The mail server cannot do that: {error}"[:500])
    if certificate := _certificate_error(error):
        return ConfigurationFailure(f"The mail server's certificate is not trusted: {certificate}"[:500])
    if isinstance(error, aiosmtplib.SMTPResponseException):
        text = f"The mail server answered {error.code} {error.message}"[:500]
        return ConfigurationFailure(text) if error.code >= 500 else TemporaryFailure(text)
    if isinstance(error, ValueError):
        return ConfigurationFailure(f"The settings do not fit: {error}"[:500])
    return TemporaryFailure(f"The mail server broke off: {error}"[:500])


def _certificate_error(error: BaseException | None) -> str | None:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        error = error.__cause__ or error.__context__
    return None


def refusal(phase: Phase, code: int, message: str) -> Exception:
    """What a reply that is no acceptance stands for.

    A 4yz reply to the recipient is about the recipient (greylisting, a full mailbox); to the sender or the content it
    is the server's own trouble. A 5yz reply to the sender is a matter of the configuration, unless the mail is too
    large.
    """
    text = f"The mail server answered {code} {message}"[:500]
    enhanced = _ENHANCED.match(message)
    subject = enhanced[2] if enhanced else ""
    if code < 500:
        # 4.2.z is the mailbox's state (RFC 3463 §3.3).
        if phase == "recipient" and code != 421 and (code != 452 or subject == "2"):
            return TemporaryFailure(text, of_recipient=True)
        return TemporaryFailure(text, retry_after=QUOTA_SECONDS if code == 452 else None)
    if code == 530 or (phase == "sender" and code != 552):
        return ConfigurationFailure(text)
    gone = phase == "recipient" and (subject == "1" if enhanced else bool(_UNKNOWN.search(message)))
    return PermanentFailure(text, bad_address=gone)
