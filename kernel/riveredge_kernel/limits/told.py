"""What the answer to the running request tells of limits, in the fields of draft-ietf-httpapi-ratelimit-headers."""

from contextvars import ContextVar

POLICY, LEFT = "RateLimit-Policy", "RateLimit"

# The headers, which whoever counts adds to; None where no request is answered.
told: ContextVar[dict[str, str] | None] = ContextVar("riveredge_told", default=None)


# How the draft calls units; it has no name for rows.
_UNITS = {"bytes": "content-bytes"}


def tell(name: str, unit: str, limit: int, left: int) -> None:
    """Tell how much there may be, and how much more. Of several times in a request the last holds."""
    headers = told.get()
    if headers is None:
        return
    for field, value in ((POLICY, f'"{name}";q={limit};qu="{_UNITS.get(unit, unit)}"'), (LEFT, f'"{name}";r={left}')):
        others = [one for one in headers.get(field, "").split(", ") if one and not one.startswith(f'"{name}";')]
        headers[field] = ", ".join([*others, value])
