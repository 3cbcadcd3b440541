"""Serial numbers: gap-free within a series, such as that of a process in a year."""

from datetime import datetime
from string import Formatter
from zoneinfo import ZoneInfo

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from riveredge_approvals.models import Serial
from riveredge_sdk import current_context, current_tenant, savepoint, session

FIELDS = frozenset({"year", "month", "day", "process", "number"})
DEFAULT = "AP-{year}-{number:06}"


def check_pattern(pattern: str) -> None:
    """See that a pattern can be filled in, and tells numbers apart.

    Raises:
        ValueError: it cannot; the message says why.
    """
    names = [name for _, name, _, _ in Formatter().parse(pattern) if name is not None]
    unknown = sorted(set(names) - FIELDS)
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not one of {', '.join(sorted(FIELDS))}")
    if "number" not in names:
        raise ValueError("{number} has to be in it, else two requests would have the same")
    if len(_fill(pattern, "process", datetime(2026, 12, 31), 999_999_999)) > 80:  # noqa: DTZ001
        raise ValueError("it is longer than 80 characters")


async def next_serial(pattern: str, process: str, now: datetime) -> str:
    """The next number of the pattern's series: counted anew whenever another part of it changes.

    Holds the series until the unit of work ends, so a number is never left out by one that was rolled back.
    """
    local = now.astimezone(ZoneInfo(current_context().timezone))
    series = _fill(pattern, process, local, 0)[:100]
    row = await _find(series)
    if row is None:
        try:
            async with savepoint():
                session().add(Serial(tenant_id=current_tenant(), series=series))
        except IntegrityError:
            # Another request began the series at the same moment.
            pass
        row = await _find(series)
    if row is None:
        raise LookupError(f"the series {series!r} is gone")
    row.last += 1
    await session().flush()
    return _fill(pattern, process, local, row.last)


async def _find(series: str) -> Serial | None:
    query = select(Serial).where(col(Serial.series) == series).with_for_update()
    return (await session().exec(query)).one_or_none()


def _fill(pattern: str, process: str, local: datetime, number: int) -> str:
    return pattern.format(year=f"{local:%Y}", month=f"{local:%m}", day=f"{local:%d}", process=process, number=number)
