"""The contract is typed: mypy tells a plugin's author what the platform would only tell at run time."""

import re
from pathlib import Path

from mypy import api

ROOT = Path(__file__).resolve().parents[2]

# A line that mypy must refuse ends in `# error: <code>`; every other line it must accept.
SNIPPET = """
from collections.abc import Iterable
from typing import Any, Protocol
from uuid import UUID

from pydantic import BaseModel
from riveredge_sdk import (
    EventType, FunctionContext, FunctionSpec, Permission, Plugin, Port, Router, Service, find_service, publish,
)


class Counter(Protocol):
    async def count(self, name: str) -> int: ...


class Words:
    async def count(self, name: str) -> int:
        return len(name)


COUNTER: Port[Counter] = Port("words.counter")


class Counted(BaseModel):
    name: str


class Other(BaseModel):
    number: int


COUNTED = EventType("words/word.counted", Counted, "A word was counted")


async def ask() -> int:
    counter = find_service(COUNTER)
    reveal: Counter | None = counter
    find_service(Counter)  # error: arg-type
    await counter.count("x")  # error: union-attr
    if counter is None:
        return 0
    await counter.count(7)  # error: arg-type
    return await counter.count("x")


def tell() -> UUID:
    publish(COUNTED, Other(number=1))  # error: misc
    return publish(COUNTED, Counted(name="x"))


async def react(ctx: FunctionContext, event: Counted) -> str:
    return event.name


async def react_to_other(ctx: FunctionContext, event: Other) -> int:
    return event.number


GOOD = FunctionSpec(id="words.react", title="React", trigger=COUNTED, handler=react)
BAD = FunctionSpec(id="words.react", title="React", trigger=COUNTED, handler=react_to_other)  # error: arg-type


class WordsPlugin(Plugin):
    id = "words"
    title = "Words"

    def permissions(self) -> Iterable[Permission]:
        return ["words.word.read"]  # error: list-item

    def routers(self) -> Router:  # error: override
        return Router()

    def services(self) -> Iterable[Service[Any]]:
        return (Service(COUNTER, Words()),)

    async def startup(self, wait: bool) -> None:  # error: override
        pass
"""


def test_mypy_knows_the_contract(tmp_path: Path) -> None:
    source = tmp_path / "words.py"
    source.write_text(SNIPPET, encoding="utf-8")
    said, problems, _ = api.run(
        ["--config-file", str(ROOT / "pyproject.toml"), "--no-incremental", "--no-error-summary", str(source)]
    )
    assert problems == ""
    found = {(int(match[1]), match[2]) for match in re.finditer(r"words\.py:(\d+): error: .*\[([a-z-]+)\]", said)}
    expected = {
        (number, match[1])
        for number, line in enumerate(SNIPPET.splitlines(), 1)
        if (match := re.search(r"# error: ([a-z-]+)$", line))
    }
    assert {line for line, _ in found} == {line for line, _ in expected}, said
