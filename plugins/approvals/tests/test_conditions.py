"""Conditions: what holds, and what cannot be decided."""

from typing import Any

import pytest

from riveredge_approvals.ir.conditions import ConditionError, evaluate

VALUES: dict[str, Any] = {
    "form.amount": 0.3,
    "form.exact": "12345678901234567890.01",
    "form.cost": {"amount": "99.90", "currency": "CNY"},
    "form.day": "2026-03-01",
    "form.at": "2026-03-01T08:00:00+08:00",
    "form.note": "urgent: laptop",
    "form.ok": True,
    "form.tags": ["a", 2],
    "form.address": {"city": "Wuhan"},
    "form.nothing": None,
    "form.blank": "",
    "initiator.department": None,
    "nodes.mgr.outcome": "approved",
}
TYPES = {
    "form.amount": "number",
    "form.exact": "number",
    "form.cost": "money",
    "form.day": "date",
    "form.at": "datetime",
    "form.note": "string",
    "form.ok": "boolean",
    "form.tags": "list",
    "form.address": "object",
    "form.nothing": "number",
    "form.absent": "string",
    "form.blank": "string",
}


def money(amount: str, currency: str = "CNY") -> dict[str, str]:
    return {"amount": amount, "currency": currency}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (True, True),
        (["eq", "form.amount", "0.3"], True),
        (["eq", "form.amount", "0.30"], True),
        (["gt", "form.amount", "0.29999999999999999"], True),
        (["gt", "form.exact", "12345678901234567890"], True),
        (["between", "form.amount", "0.3", "1"], True),
        (["between", "form.amount", "0.31", "1"], False),
        (["in", "form.amount", ["1", "0.3"]], True),
        (["not_in", "form.amount", ["1", "0.3"]], False),
        (["ge", "form.cost", money("99.9")], True),
        (["lt", "form.cost", money("99.9")], False),
        (["eq", "form.cost", money("99.9", "cny")], True),
        (["lt", "form.day", "2026-03-02"], True),
        (["eq", "form.at", "2026-03-01T00:00:00+00:00"], True),
        (["contains", "form.note", "laptop"], True),
        (["not_contains", "form.note", "phone"], True),
        (["starts_with", "form.note", "urgent"], True),
        (["eq", "form.ok", True], True),
        (["ne", "form.ok", True], False),
        (["contains", "form.tags", "a"], True),
        (["contains", "form.tags", "2"], True),
        (["not_contains", "form.tags", "c"], True),
        (["eq", "form.address.city", "Wuhan"], True),
        (["is_empty", "form.nothing"], True),
        (["is_empty", "form.absent"], True),
        (["is_empty", "form.blank"], True),
        (["not_empty", "form.note"], True),
        (["is_empty", "initiator.department"], True),
        (["eq", "nodes.mgr.outcome", "approved"], True),
        (["eq", "nodes.never.outcome", "approved"], False),
        (["all", ["not_empty", "form.nothing"], ["gt", "form.nothing", "1"]], False),
        (["any", ["eq", "form.ok", True], ["gt", "form.nothing", "1"]], True),
        (["none", ["eq", "form.ok", False], ["eq", "form.amount", "1"]], True),
        (["all", ["any", ["eq", "form.ok", False], ["gt", "form.amount", "0"]], ["lt", "form.amount", "1"]], True),
    ],
    ids=str,
)
def test_conditions(condition: Any, expected: bool) -> None:
    assert evaluate(condition, VALUES, TYPES).holds is expected


@pytest.mark.parametrize(
    ("condition", "field", "message"),
    [
        (["eq", "form.absent", "x"], "form.absent", "no value"),
        (["gt", "form.nothing", "1"], "form.nothing", "no value"),
        (["is_empty", "form.unheard"], "form.unheard", "no field"),
        (["gt", "form.note", "1"], "form.note", "cannot be asked"),
        (["gt", "form.cost", money("1", "EUR")], "form.cost", "EUR"),
        (["in", "form.cost", [money("1", "EUR")]], "form.cost", "EUR"),
        (["eq", "form.amount", "many"], "form.amount", "no number"),
        (["gt", "form.day", "soon"], "form.day", "no date"),
        (["gt", "form.at", "2026-03-01T08:00:00"], "form.at", "no datetime"),
    ],
    ids=str,
)
def test_what_cannot_be_decided_is_an_error(condition: Any, field: str, message: str) -> None:
    with pytest.raises(ConditionError, match=message) as raised:
        evaluate(condition, VALUES, TYPES)
    assert raised.value.field == field


def test_values_of_another_type_are_errors() -> None:
    for value in (True, "hidden", {"amount": 1}, float("inf")):
        with pytest.raises(ConditionError, match="is no number") as raised:
            evaluate(["gt", "form.amount", "1"], {"form.amount": value}, TYPES)
        # Incidents are read by people from whom the field may be hidden.
        assert str(value) not in str(raised.value)


def test_a_verdict_tells_what_was_looked_at() -> None:
    verdict = evaluate(
        ["any", ["gt", "form.amount", "1"], ["eq", "form.ok", True], ["eq", "form.note", "x"]], VALUES, TYPES
    )
    assert verdict.holds
    assert verdict.read == {"form.amount": 0.3, "form.ok": True}
