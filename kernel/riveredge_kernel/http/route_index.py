"""Finds a request's route by the first words of its path: the framework asks one route after the other, all of them."""

from collections.abc import Iterable, Sequence
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
        keys = {tuple(words[:length]) for length in _LENGTHS for words, _ in ours if len(words) >= length}
        fixed = (key for key in keys if not any("{" in word for word in key))
        self._routes = {key: [route for words, route in ours if _meets(words, key)] for key in fixed}

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


def _meets(pattern: Sequence[str], key: _Key) -> bool:
    """Whether paths with this beginning may be of the route, whose words may be parameters."""
    return len(pattern) >= len(key) and all(
        "{" in mine or mine == word for mine, word in zip(pattern, key, strict=False)
    )
