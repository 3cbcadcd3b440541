"""Where messages may lead: into the platform itself, or to an https address."""

import re
from urllib.parse import urlsplit

MAX_LINK = 2000
# What browsers drop, turn round or read as the end of a host name.
_UNSAFE = re.compile(r"[\x00-\x20\x7f-\xa0\\<>\"`{}|^\u2028\u2029\ufeff]")


def check_link(link: str) -> str:
    """The link.

    Raises:
        ValueError: it is neither a path of the same origin (`/approvals/7`) nor an https address.
    """
    if len(link) > MAX_LINK:
        raise ValueError(f"a link has at most {MAX_LINK} characters")
    if not _UNSAFE.search(link):
        if link.startswith("/") and not link.startswith("//"):
            return link
        try:
            parts = urlsplit(link)
            # Reading the port raises where it is no number.
            if parts.scheme == "https" and parts.hostname and "@" not in parts.netloc and parts.port != 0:
                return link
        except ValueError:
            pass
    raise ValueError("a link is a path of this origin, such as /approvals/7, or begins with https://")
