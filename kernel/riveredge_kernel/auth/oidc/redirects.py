"""Where a browser may be sent after a sign-in: a path of the platform, or an origin that the operator has named."""

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from riveredge_sdk.problems import invalid_field

# Browsers read a backslash as a slash and drop control characters, so either would turn a path into another host.
_ODD = re.compile(r"[\\\x00-\x20\x7f]")


def checked_redirect(wanted: str, *, base_url: str, origins: Iterable[str]) -> str:
    """The address in full.

    Args:
        wanted: a path (`/apps/console/`), or an address of one of the origins.
        origins: besides the platform's own.

    Raises:
        Invalid: it leads elsewhere.
    """
    refused = invalid_field(
        "redirect_to", "Expected a path of the platform, or an address of an allowed origin.", "redirect"
    )
    if _ODD.search(wanted):
        raise refused
    try:
        parts = urlsplit(wanted)
        username, port = parts.username, parts.port
    except ValueError:
        raise refused from None
    if parts.fragment or username is not None:
        raise refused
    if not parts.scheme and not parts.netloc and wanted.startswith("/") and not wanted.startswith("//"):
        return base_url.rstrip("/") + wanted
    origin = f"{parts.scheme}://{parts.hostname}" + (f":{port}" if port else "")
    if parts.scheme in {"http", "https"} and origin in {_origin(base_url), *map(_origin, origins)}:
        return wanted
    raise refused


def with_parameter(url: str, name: str, value: str) -> str:
    """The address with one more parameter, in the place of any of that name."""
    parts = urlsplit(url)
    kept = [(key, old) for key, old in parse_qsl(parts.query, keep_blank_values=True) if key != name]
    return urlunsplit(parts._replace(query=urlencode([*kept, (name, value)])))


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
