"""Numbers for operators, in Prometheus' form. Make them once, at import, and count where things happen::

    DELIVERIES = counter("messaging_deliveries", "Deliveries that ended.", ["channel", "status"])

    DELIVERIES.labels("email", "sent").inc()

They appear at `/metrics` under `riveredge_…`. What can be looked up at any time (rows that wait, the age of the oldest)
needs no metric: return it in the `values` of a `HealthCheck`, and `/metrics` shows it as `riveredge_health_value`.
"""

import re
from collections.abc import Sequence

from prometheus_client import Counter, Gauge, Histogram

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+")
# The values of a label are kept in memory for good, one series each, and operators' dashboards show them.
_UNBOUNDED = re.compile(r"(^|_)(tenant|user|principal|email|id|slug|run|request|path|url)(_|$)")


def counter(name: str, title: str, labels: Sequence[str] = ()) -> Counter:
    """A number that only grows, as `riveredge_<name>_total`.

    Args:
        name: `<plugin>_<what>`, lower case.
        title: what is counted, one sentence.
        labels: names of what tells the series apart. Each value must come from a short, fixed list.

    Raises:
        ValueError: the name is of another form or taken, or a label names tenants, people, ids or paths.
    """
    return Counter(_checked(name, labels), title, labels)


def gauge(name: str, title: str, labels: Sequence[str] = ()) -> Gauge:
    """A number that goes up and down in this process, as `riveredge_<name>`. Arguments and errors as for `counter`."""
    return Gauge(_checked(name, labels), title, labels)


def histogram(name: str, title: str, labels: Sequence[str] = (), *, buckets: Sequence[float] = SECONDS) -> Histogram:
    """How values are distributed, as `riveredge_<name>_bucket` and so on. Name the unit: `…_seconds`, `…_bytes`.

    Args:
        buckets: upper bounds, growing. The others, and the errors, are those of `counter`.
    """
    return Histogram(_checked(name, labels), title, labels, buckets=buckets)


def _checked(name: str, labels: Sequence[str]) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"metric {name!r}: expected '<plugin>_<what>' in lower case")
    if wrong := [label for label in labels if _UNBOUNDED.search(label)]:
        raise ValueError(f"metric {name!r}: labels {wrong} have no bounded number of values; leave them out")
    return f"riveredge_{name}"


__all__ = ["SECONDS", "Counter", "Gauge", "Histogram", "counter", "gauge", "histogram"]
