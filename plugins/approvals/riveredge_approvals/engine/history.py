"""The history of an instance: a chain of hashes, so that nothing in it can be changed, left out or put in unseen.

The hash of an entry is the SHA-256 of the hash before it (64 hex digits; none for the first), a line feed, and the
entry as JSON with sorted keys and no spaces, UTF-8: `actor`, `at` (ISO 8601, UTC, microseconds), `data`, `kind`,
`node`, `seq`, `task`, `visit`.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC
from typing import Any

from riveredge_approvals.models import HistoryEntry, Instance


def chain(instance: Instance, entries: Sequence[HistoryEntry]) -> None:
    """Number the entries and chain them to the instance's last one. The instance's row is locked."""
    for entry in entries:
        instance.events += 1
        entry.seq, entry.prev_hash = instance.events, instance.head
        entry.hash = instance.head = digest(entry)


def digest(entry: HistoryEntry) -> str:
    """The hash that an entry should have."""
    return hashlib.sha256(f"{entry.prev_hash}\n{_text(as_json(entry))}".encode()).hexdigest()


def as_json(entry: HistoryEntry) -> dict[str, Any]:
    """What is hashed of an entry; enough to verify an export without the platform."""
    return {
        "seq": entry.seq,
        "kind": entry.kind,
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": _id(entry.actor_id),
        "node": entry.node,
        "visit": _id(entry.visit_id),
        "task": _id(entry.task_id),
        "data": entry.data,
    }


def verify(instance: Instance, entries: Sequence[HistoryEntry]) -> int | None:
    """The number of the first entry that is not what it was, or is missing; None if all is well.

    Args:
        entries: all of the instance's, in their order.
    """
    before = ""
    for number, entry in enumerate(entries, 1):
        if entry.seq != number or entry.prev_hash != before or digest(entry) != entry.hash:
            return number
        before = entry.hash
    whole = len(entries) == instance.events and before == instance.head
    return None if whole else len(entries) + 1


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _id(value: Any) -> str | None:
    return str(value) if value is not None else None
