"""Connect: workers without a port of their own open a WebSocket, register over it and get their calls through it."""

from .gateway import Gateway, is_connect_url

__all__ = ["Gateway", "is_connect_url"]
