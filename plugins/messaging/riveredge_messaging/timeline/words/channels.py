"""Of channels and their addresses."""

TEXTS: dict[str, tuple[str, str]] = {}
