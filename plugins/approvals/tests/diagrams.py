"""Random drawings for hypothesis: nodes of every kind, regions in regions, every tally."""

from itertools import count
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from .drawings import approver, cc, choice, handler, inclusive, node, parallel, when

PEOPLE = [UUID(int=number) for number in range(1, 7)]
FORM = {"amount": {"type": "number"}}
_TALLIES: list[dict[str, Any]] = [
    {"mode": "any"},
    {"mode": "any", "reject": "all"},
    {"mode": "all"},
    {"mode": "all", "reject": "collect"},
    {"mode": "sequential"},
    {"mode": "ratio", "ratio": 60},
    {"mode": "n_of_m", "count": 2},
    {"mode": "any", "claim": True},
]
_TIMEOUTS: list[dict[str, Any]] = [
    {},
    *({"timeout": {"after": "PT1H", "action": action}} for action in ("none", "approve", "reject", "close")),
    *(
        {"timeout": {"after": "PT1H", "action": action, "to": {"type": "user", "value": str(PEOPLE[5])}}}
        for action in ("transfer", "escalate")
    ),
]
_ALLOW = ["transfer", "delegate", "add_sign", "remove_sign", "return"]
_CONDITIONS = [when("form.amount", op, 5) for op in ("gt", "lt", "eq")]


def _human(draw: st.DrawFn, name: str) -> dict[str, Any]:
    users = draw(st.lists(st.sampled_from(PEOPLE[:5]), min_size=1, max_size=4, unique=True))
    data: dict[str, Any] = {"allow": _ALLOW, "abstain": draw(st.booleans()), "self_approval": "self"}
    data |= draw(st.sampled_from(_TALLIES)) | draw(st.sampled_from(_TIMEOUTS))
    data |= draw(st.sampled_from([{}, {}, {}, {"on_reject": {"action": "return", "to": "start"}}, {"auto": "approve"}]))
    if draw(st.integers(0, 5)) == 0:
        data["skip_when"] = draw(st.sampled_from(_CONDITIONS))
    return approver(name, users=users, **data)


@st.composite
def steps(draw: st.DrawFn, depth: int = 2) -> list[Any]:
    """The steps of a drawing between its start and its end."""
    return _steps(draw, depth, count(1), at_least=1)


def _steps(draw: st.DrawFn, depth: int, numbers: "count[int]", at_least: int = 0) -> list[Any]:
    return [_step(draw, depth, numbers) for _ in range(draw(st.integers(at_least, 3)))]


def _step(draw: st.DrawFn, depth: int, numbers: "count[int]") -> Any:
    name = f"n{next(numbers)}"
    kind = draw(st.sampled_from(["human"] * 6 + ["handler", "cc", "delay", "notify"] + ["split"] * (4 if depth else 0)))
    if kind == "split":
        return _split(draw, name, depth, numbers)
    if kind == "human":
        return _human(draw, name)
    user = draw(st.sampled_from(PEOPLE))
    match kind:
        case "handler":
            return handler(name, user=user, allow=_ALLOW)
        case "cc":
            return cc(name, user=user)
        case "delay":
            return node(name, "delay", **{"for": "PT1H"})
    on_error = {"action": draw(st.sampled_from(["incident", "ignore"]))}
    return node(name, "notify", recipients=[{"type": "user", "value": str(user)}], template="hello", on_error=on_error)


def _split(draw: st.DrawFn, name: str, depth: int, numbers: "count[int]") -> Any:
    kind = draw(st.sampled_from(["choice", "inclusive", "parallel", "parallel"]))
    if kind == "choice":
        return choice(name, *_ways(draw, depth, numbers, 0))
    arrives = draw(st.sampled_from(["end", "arrive"]))
    if kind == "inclusive":
        return inclusive(name, *_ways(draw, depth, numbers, 1), branch_reject=arrives)
    ways = [_steps(draw, depth - 1, numbers, at_least=1) for _ in range(draw(st.integers(2, 3)))]
    return parallel(name, *ways, branch_reject=arrives)


def _ways(draw: st.DrawFn, depth: int, numbers: "count[int]", at_least: int) -> list[Any]:
    """Ways with conditions, and one for everything else; only that may lead past everything."""
    conditions = draw(st.lists(st.sampled_from(_CONDITIONS), min_size=1, max_size=2))
    return [
        *((each, _steps(draw, depth - 1, numbers, at_least=1)) for each in conditions),
        (None, _steps(draw, depth - 1, numbers, at_least)),
    ]
