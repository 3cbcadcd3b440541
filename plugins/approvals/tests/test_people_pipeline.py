"""The pipeline from what resolvers found to who is asked, as a matrix over an organisation in memory."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from riveredge_approvals.ir.document import (
    CompiledFlow,
    Empty,
    EndNode,
    HumanNode,
    Limits,
    Policies,
    Selector,
    Settings,
    Who,
)
from riveredge_approvals.people.candidates import Asking, Earlier, Roster
from riveredge_approvals.people.explaining import explain
from riveredge_approvals.people.finding import Answer
from riveredge_approvals.people.pipeline import MAX_PEOPLE, Pipeline
from riveredge_sdk.features.approvals import Found, Request
from riveredge_sdk.features.directory import ManagerChain

PEOPLE = {name: UUID(int=number) for number, name in enumerate("SABCDEFGXYZ", start=1)}
NAMES = {user: name for name, user in PEOPLE.items()}
S = PEOPLE["S"]


def ids(names: str) -> list[UUID]:
    return [PEOPLE[name] for name in names]


@dataclass
class Organisation:
    """A tenant in memory; letters stand for people, S submits."""

    gone: str = ""
    own: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    above: str = ""
    head_levels: Sequence[str] = ()
    admins: str = ""

    async def active(self, users: Collection[UUID]) -> set[UUID]:
        return {user for user in users if NAMES.get(user, "?") not in self.gone}

    async def delegates(self, users: Collection[UUID], process: str) -> Mapping[UUID, UUID]:
        return {PEOPLE[a]: PEOPLE[b] for a, b in self.own.items() if PEOPLE[a] in users}

    async def substitutes(self, users: Collection[UUID]) -> Mapping[UUID, Sequence[UUID]]:
        return {PEOPLE[a]: ids(b) for a, b in self.absent.items() if PEOPLE[a] in users}

    async def managers(self, user: UUID, department: UUID | None) -> ManagerChain:
        return ManagerChain(ids(self.above))

    async def heads(self, user: UUID, department: UUID | None, level: int) -> Sequence[UUID] | None:
        return ids(self.head_levels[level]) if level < len(self.head_levels) else None

    async def members(self, who: Who) -> Sequence[UUID]:
        return [UUID(str(who.value))]

    async def administrators(self) -> Sequence[UUID]:
        return ids(self.admins)


def look(
    found: str | Sequence[tuple[str, int]],
    organisation: Organisation,
    *,
    process_admins: str = "",
    earlier: Sequence[Earlier] = (),
    asked: Sequence[UUID] = (),
    number: int = 99,
    **policies: Any,
) -> Roster:
    users = [(found, 1)] if isinstance(found, str) else found
    answers = [
        Answer(Selector(resolver="user", weight=weight), Found(ids(names), "named by the process"))
        for names, weight in users
    ]
    node = HumanNode(roster=(), policies=Policies.model_validate(policies))
    flow = CompiledFlow(
        process="leave",
        version=1,
        checksum="",
        entry="end",
        nodes={"end": EndNode()},
        limits=Limits(nodes=1, max_parallel=1, longest_path=1),
        settings=Settings(admins=tuple(Who(type="user", value=str(PEOPLE[name])) for name in process_admins)),
    )
    request = Request(
        id=UUID(int=number), process="leave", version=1, number="1", title="", submitter=S, department=None, form={}
    )
    asking = Asking(request=request, flow=flow, node=node, earlier=earlier, asked=asked)
    return asyncio.run(Pipeline(organisation, asking).run(answers))


def seats(roster: Roster) -> str:
    """`A B(C) D!`: A, B for C, and D who need not be asked."""
    return " ".join(
        NAMES[each.user_id]
        + (f"({NAMES[each.principal_id]})" if each.principal_id else "")
        + ("!" if each.auto else "")
        for each in roster.candidates
    )


def codes(trace: Sequence[Mapping[str, Any]]) -> set[str]:
    return {line["code"] for line in trace}


CHAIN = {"A": "B", "B": "C", "C": "D", "D": "E", "E": "F", "F": "G"}
MATRIX: list[tuple[str, str, Organisation, dict[str, Any], str]] = [
    ("as found", "AB", Organisation(), {}, "A B"),
    ("leaver", "AB", Organisation(gone="A"), {}, "B"),
    ("twice", "ABA", Organisation(), {}, "A B"),
    ("absent", "AB", Organisation(absent={"A": "C"}), {}, "C(A) B"),
    ("absent, second substitute", "A", Organisation(absent={"A": "CD"}, gone="C"), {}, "D(A)"),
    ("absent, nobody stands in", "A", Organisation(absent={"A": ""}), {}, "A"),
    ("absent, substitute has left", "A", Organisation(absent={"A": "C"}, gone="C"), {}, "A"),
    ("own arrangement first", "A", Organisation(own={"A": "B"}, absent={"A": "C"}), {}, "B(A)"),
    (
        "own one has left, so the directory's",
        "A",
        Organisation(own={"A": "B"}, absent={"A": "C"}, gone="B"),
        {},
        "C(A)",
    ),
    ("two hops", "A", Organisation(own={"A": "B"}, absent={"B": "C"}), {}, "C(A)"),
    ("circle of two", "A", Organisation(own={"A": "B", "B": "A"}), {}, "B(A)"),
    ("circle of three", "A", Organisation(own={"A": "B", "B": "C", "C": "A"}), {}, "C(A)"),
    ("circle further on", "A", Organisation(own={"A": "B", "B": "C", "C": "B"}), {}, "C(A)"),
    ("both of a circle are asked", "AB", Organisation(own={"A": "B", "B": "A"}), {}, "B(A) A(B)"),
    ("own substitute", "A", Organisation(own={"A": "A"}), {}, "A"),
    ("five hops at most", "A", Organisation(own=CHAIN), {}, "F(A)"),
    ("substitute is asked herself", "AB", Organisation(own={"A": "B"}), {}, "B"),
    ("one stands in for two", "AB", Organisation(own={"A": "C", "B": "C"}), {}, "C(A)"),
    ("self: decides", "SA", Organisation(), {"self_approval": "self"}, "S A"),
    ("self: skipped", "SA", Organisation(), {"self_approval": "skip"}, "A"),
    ("self: forbidden", "SA", Organisation(), {"self_approval": "forbid"}, "A"),
    ("self: manager", "SA", Organisation(above="BC"), {}, "B A"),
    ("self: manager is asked already", "SB", Organisation(above="BC"), {}, "B"),
    ("self: manager is absent", "S", Organisation(above="BC", own={"B": "D"}), {}, "D(B)"),
    ("self: manager has the submitter stand in", "S", Organisation(above="BC", own={"B": "S"}), {}, "C"),
    ("self: no manager, so the administrators", "S", Organisation(admins="X"), {}, "X"),
    ("self: head", "S", Organisation(head_levels=["S", "B"]), {"self_approval": "department_head"}, "B"),
    (
        "self: heads above have none",
        "S",
        Organisation(head_levels=["S", "", "D"]),
        {"self_approval": "department_head"},
        "D",
    ),
    ("self: stands in for the manager", "B", Organisation(above="BC", own={"B": "S"}), {}, "C"),
    ("self: forbidden and alone", "S", Organisation(admins="X"), {"self_approval": "forbid"}, "X"),
    ("empty: administrators", "", Organisation(admins="XY"), {}, "X Y"),
    ("empty: administrators without the submitter", "", Organisation(admins="SX"), {}, "X"),
    ("empty: the submitter may", "", Organisation(admins="S"), {"self_approval": "self"}, "S"),
    ("empty: administrator is absent", "", Organisation(admins="X", own={"X": "Y"}), {}, "Y(X)"),
    ("empty: process's administrators first", "", Organisation(admins="X"), {"process_admins": "Y"}, "Y"),
    ("empty: process's have left", "", Organisation(admins="X", gone="Y"), {"process_admins": "Y"}, "X"),
]


@pytest.mark.parametrize(
    ("found", "organisation", "rules", "expected"), [row[1:] for row in MATRIX], ids=[r[0] for r in MATRIX]
)
def test_who_is_asked(found: str, organisation: Organisation, rules: dict[str, Any], expected: str) -> None:
    roster = look(found, organisation, **rules)
    assert (roster.verdict, seats(roster)) == ("people", expected)
    steps = [entry["step"] for entry in roster.trace]
    assert steps[:5] == ["resolver", "groups", "inactive", "proxy", "duplicates"]
    for candidate in roster.candidates:
        assert candidate.trace, "everybody is told why"
        assert ("proxy" in codes(candidate.trace)) >= (candidate.principal_id is not None)


def test_one_is_drawn_by_lot() -> None:
    everybody = "ABCDEFG"
    drawn = look(everybody, Organisation(), pick="random")
    first = seats(drawn)
    assert len(drawn.candidates) == 1
    said = explain(drawn.candidates[0].trace, PEOPLE[first], {PEOPLE[first]: first}, {})
    assert said[-1]["en"] == f"{first} was drawn by lot, among 7."
    # The same as long as she is there, whoever else comes or goes; another one if she is not, or was asked already.
    assert seats(look(everybody.replace("A" if first != "A" else "B", ""), Organisation(), pick="random")) == first
    second = seats(look(everybody, Organisation(gone=first), pick="random"))
    assert len(second) == 1
    assert second != first
    assert seats(look(everybody, Organisation(), pick="random", asked=ids(first))) == second
    assert seats(look(first, Organisation(), pick="random", asked=ids(first))) == first
    # Who could not decide is not in it, and each of many requests has a lot of its own.
    assert seats(look("SA", Organisation(), pick="random", self_approval="skip")) == "A"
    lots = {seats(look(everybody, Organisation(), pick="random", number=number)) for number in range(200)}
    assert lots == set(everybody)


def test_nobody_is_never_passed_over_in_silence() -> None:
    def empty(action: str, found: str = "", users: str = "", **organisation: Any) -> tuple[str, str]:
        rule = Empty(action=action, users=tuple(str(user) for user in ids(users)))
        roster = look(found, Organisation(**organisation), empty=rule.model_dump())
        assert roster.verdict == "people" or roster.reason
        return roster.verdict, seats(roster)

    assert empty("admin") == ("block", "")
    assert empty("admin", admins="S") == ("block", ""), "the submitter is no administrator of her own request"
    assert empty("admin", "A", gone="AX", admins="X") == ("block", "")
    assert empty("block", admins="X") == ("block", "")
    assert empty("approve", admins="X") == ("approve", "")
    assert empty("reject", admins="X") == ("reject", "")
    assert empty("users", users="AB", admins="X") == ("people", "A B")
    assert empty("users", users="A", gone="A", admins="X") == ("people", "X")
    skipped = look("S", Organisation(admins="X"), self_approval="skip")
    assert (skipped.verdict, skipped.candidates) == ("approve", [])
    crowd = [Answer(Selector(resolver="role"), Found([UUID(int=n) for n in range(MAX_PEOPLE + 1)], ""))]
    asking = Asking(
        request=Request(
            id=UUID(int=1), process="p", version=1, number="", title="", submitter=S, department=None, form={}
        ),
        flow=CompiledFlow(
            process="p",
            version=1,
            checksum="",
            entry="",
            nodes={},
            limits=Limits(nodes=0, max_parallel=0, longest_path=0),
        ),
        node=HumanNode(roster=()),
    )
    assert asyncio.run(Pipeline(Organisation(), asking).run(crowd)).verdict == "block"


@pytest.mark.parametrize(
    ("rule", "adjacent", "unchanged", "expected"),
    [
        ("none", True, True, "A B"),
        ("adjacent", True, True, "A! B"),
        ("adjacent", False, True, "A B"),
        ("adjacent", True, False, "A B"),
        ("any", False, True, "A! B"),
        ("any", False, False, "A B"),
    ],
)
def test_who_has_approved_need_not_do_it_again(rule: str, adjacent: bool, unchanged: bool, expected: str) -> None:
    before = Earlier(user_id=PEOPLE["A"], node="mgr", adjacent=adjacent, unchanged=unchanged)
    assert seats(look("AB", Organisation(), repeat_approver=rule, earlier=[before])) == expected


def test_weights_go_with_those_who_are_stood_in_for() -> None:
    roster = look([("A", 2), ("B", 3), ("A", 5)], Organisation(own={"B": "A"}))
    (only,) = roster.candidates
    assert (only.weight, only.principal_id) == (8, None), "the larger one of her own two, and B's"


def test_what_is_wrong_with_the_organisation_is_told() -> None:
    assert look("A", Organisation(own={"A": "B", "B": "A"})).warnings
    assert look("A", Organisation(absent={"A": ""})).warnings
    assert look("A", Organisation(own=CHAIN)).warnings
    assert not look("A", Organisation(own={"A": "B"})).warnings


letters = st.sampled_from("SABCDEFG")
organisations = st.builds(
    Organisation,
    gone=st.text(letters, max_size=4),
    own=st.dictionaries(letters, letters),
    absent=st.dictionaries(letters, st.text(letters, max_size=3)),
    above=st.text(letters, max_size=4),
    head_levels=st.lists(st.text(letters, max_size=2), max_size=3),
    admins=st.just("X"),
)


@given(
    found=st.text(letters, max_size=6),
    organisation=organisations,
    rule=st.sampled_from(["skip", "manager", "department_head", "forbid"]),
)
@example(found="C", organisation=Organisation(gone="A", absent={"C": "S"}, above="A", admins="X"), rule="manager")
def test_no_organisation_lets_the_submitter_or_a_leaver_decide(
    found: str, organisation: Organisation, rule: str
) -> None:
    roster = look(found, organisation, self_approval=rule)
    users = [each.user_id for each in roster.candidates]
    assert S not in users
    assert len(users) == len(set(users))
    assert not [user for user in users if NAMES[user] in organisation.gone]
    assert bool(users) == (roster.verdict == "people")
    assert roster.verdict in {"people", "approve"}
