"""What came of messages that went through configurations, noted in how these do."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from riveredge_messaging.configs.catalog import BUILT_IN, Usable
from riveredge_messaging.configs.health import healths, locked, note_results, rest, state_of
from riveredge_messaging.delivery.models import AttemptState, ConfigHealth
from riveredge_messaging.events import CONFIG_FAILED, ConfigRef
from riveredge_sdk import publish, utcnow
from riveredge_sdk.features.messaging import ConfigurationFailure, PermanentFailure, TemporaryFailure, UnknownOutcome

WORKED = frozenset({AttemptState.ACCEPTED, AttemptState.DELIVERED})
_FAILED = {
    PermanentFailure: AttemptState.REFUSED,
    ConfigurationFailure: AttemptState.MISCONFIGURED,
    UnknownOutcome: AttemptState.UNKNOWN,
}
_BUILT_IN_PAUSE = 300.0


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one message."""

    config: Usable
    state: AttemptState
    error: str = ""
    retry_after: float | None = None
    of_recipient: bool = False

    @staticmethod
    def of(config: Usable, failure: Exception | None) -> "Result":
        """From what the provider raised; nothing: it took the message."""
        if failure is None:
            return Result(config, AttemptState.ACCEPTED)
        error = str(failure)[:500]
        if isinstance(failure, TemporaryFailure) and failure.of_recipient:
            return Result(config, AttemptState.TEMPORARY, error, of_recipient=True)
        if isinstance(failure, TemporaryFailure) and failure.retry_after is not None:
            return Result(config, AttemptState.QUOTA, error, retry_after=failure.retry_after)
        states = (state for kind, state in _FAILED.items() if isinstance(failure, kind))
        return Result(config, next(states, AttemptState.TEMPORARY), error)


async def note_health(results: Sequence[Result]) -> dict[str, bool]:
    """Write down how the configurations did, and tell of those that somebody has to mend.

    Returns:
        Whether each can be used now.
    """
    by_config: defaultdict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_config[result.config.key].append(result)
    known = await healths(list(by_config))
    usable: dict[str, bool] = {}
    for key, same in sorted(by_config.items()):
        if key not in known and all(result.state in WORKED for result in same):
            continue
        if key in known and known[key].is_quiet and all(result.state in WORKED for result in same):
            continue
        row = await locked(key)
        # A refusal of the recipient shows that the provider works.
        worked = sum(r.state in WORKED or r.state == AttemptState.REFUSED or r.of_recipient for r in same)
        bad = [r for r in same if r.state in {AttemptState.TEMPORARY, AttemptState.UNKNOWN} and not r.of_recipient]
        note_results(row, worked=worked, failed=len(bad), error=bad[-1].error if bad else None)
        for result in same:
            if result.state == AttemptState.QUOTA:
                rest(row, result.retry_after or 0, result.error)
            elif result.state == AttemptState.MISCONFIGURED and row.fault is None:
                _take_out(row, result)
        usable[key] = state_of(row, utcnow()).usable
    return usable


def _take_out(row: ConfigHealth, result: Result) -> None:
    config = result.config
    if config.key in BUILT_IN:
        # Nobody puts these back into use by hand, so they are tried again by themselves.
        rest(row, _BUILT_IN_PAUSE, result.error)
        return
    row.fault, row.last_error, row.last_failure_at = result.error[:500], result.error[:500], utcnow()
    publish(CONFIG_FAILED, ConfigRef(config=config.key, title=config.title, fault=row.fault))


__all__ = ["WORKED", "Result", "note_health"]
