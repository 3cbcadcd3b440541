"""The filters that message templates have. Dates, numbers and money are written as the reader's locale does."""

import contextlib
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, format_decimal
from jinja2 import pass_context
from jinja2.filters import FILTERS as JINJA
from jinja2.runtime import Context

_MAX_DIGITS = 40
_MAX_SEPARATOR = 20


def _locale(context: Context) -> Locale:
    return _known(str(context.get("_locale", "en")))


@lru_cache(maxsize=256)
def _known(tag: str) -> Locale:
    """The reader's locale, or its language, or English: a tag that nobody knows is no reason to send nothing."""
    for known in (tag, tag.partition("-")[0]):
        with contextlib.suppress(UnknownLocaleError, ValueError):
            return Locale.parse(known, sep="-")
    return Locale("en")


@lru_cache(maxsize=256)
def prepare(tag: str, timezone: str) -> None:
    """Load what the filters need to know of a locale and a zone: a tenth of a second at the first time."""
    locale, moment = _known(tag), datetime.now(UTC)
    with contextlib.suppress(ZoneInfoNotFoundError, ValueError):
        moment = moment.astimezone(ZoneInfo(timezone))
    format_datetime(moment, locale=locale)
    format_date(moment, locale=locale)
    format_decimal(1, locale=locale)
    format_currency(1, "EUR", locale=locale)


@pass_context
def _date(context: Context, value: Any) -> str:
    """`{{ due|date }}`: an ISO date or instant as a date in the reader's zone."""
    return format_date(_moment(context, value), locale=_locale(context))


@pass_context
def _datetime(context: Context, value: Any) -> str:
    """`{{ due|datetime }}`: an ISO instant as date and time in the reader's zone."""
    moment = _moment(context, value)
    if not isinstance(moment, datetime):
        raise ValueError("the filter datetime takes an instant, not a date")
    return format_datetime(moment, locale=_locale(context))


def _moment(context: Context, value: Any) -> date:
    text = str(value)
    if len(text) == len("2026-11-23"):
        return date.fromisoformat(text)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text[:40]!r} has no time zone")
    return moment.astimezone(ZoneInfo(str(context.get("_timezone", "UTC"))))


@pass_context
def _number(context: Context, value: Any) -> str:
    """`{{ amount|number }}`."""
    return format_decimal(_decimal(value), locale=_locale(context))


@pass_context
def _money(context: Context, value: Any, currency: str) -> str:
    """`{{ amount|money("EUR") }}`: the currency as its ISO 4217 code."""
    return format_currency(_decimal(value), str(currency)[:3], locale=_locale(context))


def _decimal(value: Any) -> Decimal:
    text = str(value)
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text[:40]!r} is no number") from None
    if not number.is_finite() or abs(number.adjusted()) > _MAX_DIGITS:
        raise ValueError(f"{text[:40]!r} is no number that can be written out")
    return number


def _join(value: Any, separator: str = ", ") -> str:
    """`{{ names|join(", ") }}`."""
    if len(str(separator)) > _MAX_SEPARATOR:
        raise ValueError(f"a separator has at most {_MAX_SEPARATOR} characters")
    return str(separator).join(str(item) for item in value)


_HARMLESS = (
    "abs",
    "capitalize",
    "default",
    "e",
    "escape",
    "first",
    "last",
    "length",
    "lower",
    "title",
    "trim",
    "upper",
)
FILTERS: dict[str, Callable[..., Any]] = {
    **{name: JINJA[name] for name in _HARMLESS},
    "date": _date,
    "datetime": _datetime,
    "number": _number,
    "money": _money,
    "join": _join,
}
