"""What a hook may return, read from its annotation, and how contributions are told apart."""

import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

from riveredge_sdk.events import EventType
from riveredge_sdk.models import PlatformModel, TenantModel
from riveredge_sdk.ports import Service

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Contributed(Generic[T]):
    """A contribution and the plugin it comes from."""

    plugin_id: str
    item: T


def fits(hook: Callable[..., Any]) -> tuple[Callable[[Any], bool], str]:
    """Whether an item is what `hook` promises, and the promise in words."""
    promised = get_args(get_type_hints(hook)["return"])[0]
    options = get_args(promised) if get_origin(promised) in {Union, types.UnionType} else (promised,)

    def is_one(item: Any) -> bool:
        return any(_is(item, option) for option in options)

    return is_one, " or ".join(str(getattr(option, "__name__", option)) for option in options)


def _is(item: Any, option: Any) -> bool:
    origin = get_origin(option)
    if origin is type:
        (base,) = get_args(option)
        return isinstance(item, type) and issubclass(item, base)
    return isinstance(item, origin or option)


def identity(item: Any) -> str | None:
    """What must be unique among the contributions of one hook; None if nothing."""
    if isinstance(item, EventType):
        return item.name
    if isinstance(item, Service):
        return f"{item.port.id} (version {item.port.version})"
    if isinstance(item, type):
        return str(getattr(item, "__tablename__", f"{item.__module__}.{item.__qualname__}"))
    found = getattr(item, "id", None)
    return found if isinstance(found, str) else None


def misplaced(item: Any, plugin_id: str) -> str:
    """Why the item's name is not the plugin's to give; empty if it is."""
    name = identity(item)
    if name is None or isinstance(item, Service):
        return ""
    if isinstance(item, EventType):
        prefix = f"{plugin_id}/"
    elif isinstance(item, type):
        if not issubclass(item, TenantModel | PlatformModel):
            return ""
        prefix = f"{plugin_id}_"
    else:
        prefix = f"{plugin_id}."
    return "" if name.startswith(prefix) else f"{name!r} must begin with {prefix!r}"
