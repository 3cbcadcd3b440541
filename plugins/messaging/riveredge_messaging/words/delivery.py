"""Of handing messages over to providers."""

TEXTS: dict[str, tuple[str, str]] = {}
