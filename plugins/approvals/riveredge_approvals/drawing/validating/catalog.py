"""What validation has to know of the organisation; filled from the ports and hooks, so that validation stays pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherProcess:
    """A process that this one might call: whether it can be started, its last version, and which ones it calls."""

    published: bool
    last_version: int = 0
    calls: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """What there is of what a drawing names. None is not checked.

    Args:
        process: the key of the process itself.
        users: by id, whether active; roles: by key, whether anybody has them.
        resolvers, effects: ids of what plugins contribute.
        refused: what they say is wrong with a configuration, by `config_key`.
        processes: those that the drawing calls, and those that they call.
    """

    process: str = ""
    users: Mapping[str, bool] | None = None
    roles: Mapping[str, bool] | None = None
    departments: frozenset[str] | None = None
    groups: frozenset[str] | None = None
    resolvers: frozenset[str] | None = None
    effects: frozenset[str] | None = None
    refused: Mapping[str, Sequence[str]] = field(default_factory=dict)
    connections: frozenset[str] | None = None
    templates: frozenset[str] | None = None
    processes: Mapping[str, OtherProcess] | None = None


def config_key(contribution: str, config: Mapping[str, Any]) -> str:
    """A name for one configuration of one contribution."""
    return f"{contribution}:{json.dumps(config, sort_keys=True, default=str)}"
