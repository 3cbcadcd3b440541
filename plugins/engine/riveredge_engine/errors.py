"""Errors that become answers of the HTTP API."""

from __future__ import annotations


class EngineError(Exception):
    """A refused request: its text and HTTP status are the answer."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class ConfigError(EngineError):
    """A registration whose function configuration breaks a rule of the protocol."""
