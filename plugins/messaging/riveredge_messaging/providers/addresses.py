"""Mail addresses (RFC 5321, RFC 5322), with letters of all languages (RFC 5890, RFC 6531)."""

import unicodedata
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import parseaddr
from functools import lru_cache

import idna

# RFC 2047 §5: an encoded word must not be in an address. Some programs decode it there, and arrive at somebody else's.
_ENCODED = "=?"


# Every mail asks about its sender and its recipient several times.
@lru_cache(maxsize=4096)
def mail_address(text: str) -> Address:
    """The address in `Name <local@domain>`. Its domain is in ASCII (IDNA), its name before the @ in NFC.

    Raises:
        ValueError: there is none.
    """
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise ValueError("an address has no control characters")
    name, spec = parseaddr(text)
    try:
        found = _parsed(name, spec)
    except (ValueError, IndexError, MessageError) as error:
        raise ValueError(f"{text[:100]!r} is no mail address: {error}"[:300]) from None
    if not found.username or not found.domain:
        raise ValueError(f"{text[:100]!r} is no mail address; expected local@domain or Name <local@domain>")
    return found


def needs_smtputf8(*addresses: str | None) -> bool:
    """Whether only servers with SMTPUTF8 take one of them: there is no ASCII form of what stands before the @."""
    return any(address is not None and not mail_address(address).username.isascii() for address in addresses)


def ascii_domain(domain: str) -> str:
    """The domain in small letters, as the DNS has it.

    Raises:
        ValueError: it is none.
    """
    return domain.lower() if domain.isascii() else idna.encode(domain, uts46=True).decode()


def _parsed(name: str, spec: str) -> Address:
    local, at, domain = spec.rpartition("@")
    spec = f"{local}{at}{ascii_domain(domain)}"
    if _ENCODED in local:
        raise ValueError("there are no encoded words in an address")
    if local.isascii():
        return Address(name, addr_spec=spec)
    local = unicodedata.normalize("NFC", local)
    if local.startswith('"') or not local.isprintable():
        raise ValueError("a quoted name before the @ has no letters but ASCII, and none has invisible ones")
    # The library knows ASCII alone: it checks the rest, in which such letters are what others are (RFC 6531 §3.3).
    stand_in = "".join(character if character.isascii() else "x" for character in local)
    checked = Address(name, addr_spec=f"{stand_in}{at}{ascii_domain(domain)}")
    return Address(name, local, checked.domain)


__all__ = ["ascii_domain", "mail_address", "needs_smtputf8"]
