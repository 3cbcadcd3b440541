"""What platform hooks return. Each has a namespaced id, `<plugin>.<name>`; of two with one id the later is rejected."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import typer


@dataclass(frozen=True, slots=True)
class Permission:
    """Something a principal may be allowed to do: `messaging.template.write`."""

    id: str
    title: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Role:
    """A bundle of permissions that tenants can start from: `messaging.editor`."""

    id: str
    title: str
    permissions: frozenset[str]
    description: str = ""


@dataclass(frozen=True, slots=True)
class NavItem:
    """An entry of the console's navigation. `path` is relative to the console; shown to holders of `permission`."""

    id: str
    title: str
    path: str
    icon: str = ""
    permission: str | None = None
    order: int = 100


@dataclass(frozen=True, slots=True)
class StaticApp:
    """Files that the kernel serves under `/apps/<plugin>/<mount>`: a front end the plugin brings along."""

    id: str
    title: str
    directory: Path
    mount: str
    single_page: bool = True


@dataclass(frozen=True, slots=True)
class Command:
    """A group of commands below `riveredge <plugin>`. `app` is called only when one of them is asked for."""

    id: str
    title: str
    app: "Callable[[], typer.Typer]"


@dataclass(frozen=True, slots=True)
class HookSpecs:
    """An extension point of a plugin's own: a class whose methods other plugins may implement.

    Each method takes `self` only and returns an iterable of contributions. Ask with `contributions(specs.method)`.
    """

    id: str
    title: str
    specs: type


HealthState = Literal["ok", "degraded", "failed"]


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A look at one thing the plugin depends on, shown under `/health/plugins`.

    `check` has a few seconds; raising counts as failed. Only `critical` ones make the platform not ready.
    """

    id: str
    title: str
    check: Callable[[], Awaitable["Health"]]
    critical: bool = False


@dataclass(frozen=True, slots=True)
class Health:
    """The answer of a `HealthCheck`. `detail` is for an operator; no secrets in it."""

    state: HealthState
    detail: str = ""
    values: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
