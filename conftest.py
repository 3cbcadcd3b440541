"""The order of the whole suite's tests."""

import pytest


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
