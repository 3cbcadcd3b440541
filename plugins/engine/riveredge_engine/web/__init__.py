"""The HTTP interface: events, registration, what an SDK fetches, and reading."""

from .app import create_app

__all__ = ["create_app"]
