"""Asking for one more run of one function, with the data of an earlier one.

Every function has, beside its own triggers, this event for itself alone. So a repetition goes the way of all events:
through the outbox, at least once, to whatever engine there is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inngest import NonRetriableError

from riveredge_sdk.functions import MAX_TRIGGERS, FunctionSpec

RUN_REQUESTED = "kernel/run.requested"


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What the event says beside the data: which function, after which run, and what the data was called."""

    function: str
    run_id: str
    event: str

    def as_data(self) -> dict[str, str]:
        return {"function": self.function, "rerun_of": self.run_id, "event": self.event}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "RunRequest":
        """Read it from an event's data.

        Raises:
            NonRetriableError: it is not there; the event is not the kernel's.
        """
        meta = data.get("riveredge")
        if not isinstance(meta, Mapping) or not {"function", "rerun_of", "event"} <= meta.keys():
            raise NonRetriableError("the request for a run does not say what for")
        return cls(str(meta["function"]), str(meta["rerun_of"])[:64], str(meta["event"])[:255])


def is_repeatable(spec: FunctionSpec[Any]) -> bool:
    """Whether runs of the function can be repeated: it has one event, a tenant, and room for one more trigger."""
    triggers = len(spec.events) + len(spec.crons)
    is_single = bool(spec.events) and spec.batch is None
    return is_single and not spec.system and triggers < MAX_TRIGGERS and not spec.idempotency
