"""Finds a request's route by the first words of its path: the framework asks one route after the other, all of them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import TypeAlias

from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from riveredge_kernel.http.routing import KernelRoute

# "", "api", "v1", the plugin, the resource. Paths of the kernel's own have their resource before.
_LENGTHS = (5, 4)
_Key: TypeAlias = tuple[str, ...]
_FOUND = "riveredge.route"


class RouteIndex(BaseRoute):
    """Stands before all other routes. What it does not know, they are asked for in the ordinary way."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        ours = [(route.path.split("/"), route) for route in routes if isinstance(route, KernelRoute)]
        self._routes: dict[_Key, list[KernelRoute]] = {}
        for length in _LENGTHS:
            # A route can only be met by keys that begin as it does: all others need not be looked at.
            near: defaultdict[_Key, set[_Key]] = defaultdict(set)
            for words, _ in ours:
                key = tuple(words[:length])
                if len(key) == length and not any("{" in word for word in key):
                    near[_start(key)].add(key)
            for words, route in ours:
                start = _start(words[:length])
                for key in near[start] if len(start) == length - 1 else set().union(*near.values()):
                    if _meets(words, key):
                        self._routes.setdefault(key, []).append(route)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] == "http" and not scope.get("root_path"):
            for route in self._candidates(scope["path"]):
                match, child = route.matches(scope)
                if match == Match.FULL:
                    child[_FOUND] = route
                    return match, child
        return Match.NONE, {}

    def _candidates(self, path: str) -> Sequence[KernelRoute]:
        words = tuple(path.split("/", _LENGTHS[0]))
        for length in _LENGTHS:
            found = self._routes.get(words[:length])
            if found is not None:
                return found
        return ()

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await scope[_FOUND].handle(scope, receive, send)


def _start(words: Sequence[str]) -> _Key:
    """What stands before the last word, up to the first parameter."""
    return tuple(takewhile(lambda word: "{" not in word, words[:-1]))


def _meets(pattern: Sequence[str], key: _Key) -> bool:
    """Whether paths with this beginning may be of the route, whose words may be parameters."""
    return len(pattern) >= len(key) and all(
        "{" in mine or mine == word for mine, word in zip(pattern, key, strict=False)
    )
