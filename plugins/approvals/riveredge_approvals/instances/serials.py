"""Serial numbers: gap-free within a series, such as that of a process in a year."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from riveredge_approvals.models import Instance, Serial
from riveredge_approvals.speech import told
from riveredge_sdk import current_context, current_tenant, savepoint, session

# `{number:06}` has at least six digits.
_PART = re.compile(r"\{(?:(year|month|day|process)|number(?::0([1-9]))?)\}")
MAX_LENGTH = 100
# Room that a number may need: nobody submits more in one series.
_LARGEST = 999_999_999


def check_pattern(pattern: str, process: str) -> None:
    """See that a pattern can be filled in for a process, and tells numbers apart.

    Raises:
        ValueError: it cannot; the message says why.
    """
    if set("{}") & set(_PART.sub("", pattern)):
        names = "{year}, {month}, {day}, {process}, {number}, {number:06}"
        raise ValueError(told(f"serial: expected only {names}", f"serial：只能使用 {names}"))
    if not any(found[1] is None for found in _PART.finditer(pattern)):
        message = "serial: {number} has to be in it, else two requests would have the same"
        raise ValueError(told(message, "serial：必须包含 {number}，否则编号会重复"))
    if len(_fill(pattern, process, datetime(2026, 12, 31), _LARGEST)) > MAX_LENGTH:  # noqa: DTZ001
        message = f"serial: with the process's key it is longer than {MAX_LENGTH} characters"
        raise ValueError(told(message, f"serial：加上流程标识后超过 {MAX_LENGTH} 个字符"))


async def next_serial(pattern: str, process: str, now: datetime) -> str:
    """The next number of the pattern's series: counted anew whenever another part of it changes.

    Holds the series until the unit of work ends, so a number is never left out by one that was rolled back. What
    another series has come to already is passed over.
    """
    local = now.astimezone(ZoneInfo(current_context().timezone))
    series = _fill(pattern, process, local, 0)
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
    while await _is_taken(number := _fill(pattern, process, local, row.last)):
        row.last += 1
    await session().flush()
    return number


async def _is_taken(number: str) -> bool:
    return (await session().exec(select(Instance.id).where(col(Instance.number) == number))).first() is not None


async def _find(series: str) -> Serial | None:
    query = select(Serial).where(col(Serial.series) == series).with_for_update()
    return (await session().exec(query)).one_or_none()


def _fill(pattern: str, process: str, local: datetime, number: int) -> str:
    known = {"year": f"{local:%Y}", "month": f"{local:%m}", "day": f"{local:%d}", "process": process}
    return _PART.sub(lambda found: known[found[1]] if found[1] else str(number).zfill(int(found[2] or 0)), pattern)
