"""The order of the whole suite's tests, and when garbage is looked for."""

import gc

import pytest

from riveredge_kernel.cli import COLLECT


def pytest_sessionstart() -> None:
    """Look for no garbage while tests are collected: all that is made then stays, and it takes a third of the time."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Leave what is there alone, and look through what comes nearly as seldom as the commands do: thousands of tests
    leave far more behind than requests do."""
    gc.freeze()
    gc.set_threshold(*COLLECT[:2], COLLECT[2] // 5)
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the slow tests, most of which wait, begin with the run and not end it, while others use the processor.

    Each of several workers (`-n 4 --dist worksteal`) has an equal part of the list to begin with. Every other part
    starts with slow tests.
    """
    workers = int(getattr(config, "workerinput", {}).get("workercount", 1))
    if workers == 1:
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    rest = [item for item in items if not item.get_closest_marker("slow")]
    ordered: list[pytest.Item] = []
    for number in range(workers):
        until = len(items) * (number + 1) // workers
        if number % 2 == 0:
            ordered += slow[number // 2 :: (workers + 1) // 2]
        taken = max(0, until - len(ordered))
        ordered += rest[:taken]
        del rest[:taken]
    items[:] = ordered
