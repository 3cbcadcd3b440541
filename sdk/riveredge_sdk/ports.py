"""Ports: "do this for me now", between plugins that do not import each other.

A port is a named, versioned token for a Protocol. One plugin provides it (`Plugin.services`), others ask::

    NOTIFIER: Port[Notifier] = Port("messaging.notifier", version=1)

    notifier = find_service(NOTIFIER)          # None when nobody provides it, or it is off for this tenant
    await get_service(NOTIFIER).notify(...)    # else a 503 problem
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from riveredge_sdk.context import current_context
from riveredge_sdk.problems import Unavailable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Port(Generic[T]):
    """A place where one plugin's work can be asked for. Equal ids and versions are the same port."""

    id: str
    version: int = 1


@dataclass(frozen=True, slots=True)
class Service(Generic[T]):
    """An implementation of a port, offered by `Plugin.services`. One object serves all tenants."""

    port: Port[T]
    implementation: T


def find_service(port: Port[T]) -> T | None:
    """The port's implementation for the current tenant, or None when no active plugin provides it."""
    return current_context().runtime.find_service(port)


def get_service(port: Port[T]) -> T:
    """The port's implementation for the current tenant.

    Raises:
        Unavailable: no plugin that is on for this tenant provides the port.
    """
    found = find_service(port)
    if found is None:
        raise Unavailable(
            f"Nothing provides {port.id!r} here: its plugin is not installed or is switched off for this organisation.",
            extensions={"port": port.id},
        )
    return found
