"""What the answer to the running request tells of limits, in the fields of draft-ietf-httpapi-ratelimit-headers."""

from contextvars import ContextVar

POLICY, LEFT = "RateLimit-Policy", "RateLimit"

# The headers, which whoever counts adds to; None where no request is answered.
told: ContextVar[dict[str, str] | None] = ContextVar("riveredge_told", default=None)


def tell_bytes(name: str, limit: int, left: int) -> None:
    """Tell how many bytes there may be, and how many more. Of several times in a request the last holds."""
    headers = told.get()
    if headers is None:
        return
    for field, value in ((POLICY, f'"{name}";q={limit};qu="content-bytes"'), (LEFT, f'"{name}";r={left}')):
        before = headers.get(field, "").partition(f'"{name}";')[0].rstrip(", ")
        headers[field] = f"{before}, {value}" if before else value
