"""Random drawings, random people: whatever they do, nothing is lost, nothing happens twice, and it ends once."""

from collections.abc import Coroutine
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from riveredge_approvals.engine import acts, returning, undoing
from riveredge_approvals.engine.case import Case
from riveredge_approvals.engine.orders import Closed
from riveredge_approvals.engine.replaying import replay
from riveredge_approvals.ir.document import Tally
from riveredge_approvals.models import ENDED, OPEN_TASKS, Task, TaskState, Visit, VisitStatus

from .cases import Play, play
from .diagrams import FORM, PEOPLE, steps
from .drawings import compiled

_DECIDED = {TaskState.APPROVED, TaskState.REJECTED, TaskState.ABSTAINED}
_OUTCOMES = ["approved", "approved", "approved", "rejected", "abstained"]


class Requests(RuleBasedStateMachine):
    """One request on a random drawing."""

    game: Play

    @initialize(drawn=steps(), amount=st.sampled_from([1, 5, 9]), resubmit=st.sampled_from(["replay", "direct"]))
    def submit(self, drawn: list[Any], amount: int, resubmit: str) -> None:
        flow = compiled(*drawn, form=FORM, settings={"resubmit": resubmit})
        self.game = play(flow, submitter=PEOPLE[0], form={"amount": amount})
        _run(self.game.start())

    # -- what people do --------------------------------------------------------------------------------------------

    @precondition(lambda self: self.pending)
    @rule(data=st.data(), outcome=st.sampled_from(_OUTCOMES), hop=st.booleans())
    def decide(self, data: st.DataObject, outcome: str, hop: bool) -> None:
        task = self._pick(data)
        node = self.case.human(self._visit(task))
        if outcome == "abstained" and not node.abstain:
            outcome = "approved"
        if outcome == "rejected" and node.kind == "handler":
            outcome = "approved"
        _run(self.game.decide_task(task, outcome, hop=hop))

    @precondition(lambda self: self.pending)
    @rule(times=st.integers(1, 4))
    def go_well(self, times: int) -> None:
        """Everybody approves, and what is waited for comes."""
        for _ in range(times):
            for task in self.pending:
                if task.state == TaskState.PENDING and self.game.status == "running":
                    _run(self.game.decide_task(task, "approved"))
            for visit in self.case.open_visits:
                self._comes(visit, ok=True)
            _run(self.game.hop())

    @precondition(lambda self: self.pending)
    @rule(data=st.data(), really=st.integers(0, 2), hop=st.booleans())
    def send_back(self, data: st.DataObject, really: int, hop: bool) -> None:
        task = self._pick(data)
        targets = returning.targets(self.case, self._visit(task))
        if really == 0 and task.part == "seat" and targets:
            _run(self.game.send_back_task(task, data.draw(st.sampled_from(targets)), hop=hop))

    @precondition(lambda self: self.pending)
    @rule(data=st.data(), how=st.sampled_from(["transfer", "delegate", "before", "after", "parallel"]))
    def hand_on(self, data: st.DataObject, how: Any) -> None:
        task = self._pick(data)
        visit = self._visit(task)
        asked = {t.assignee_id for t in self.case.tasks_of(visit) if t.state in OPEN_TASKS}
        free = [user for user in PEOPLE if user not in asked]
        if not free:
            return
        user = data.draw(st.sampled_from(free))
        self.case.actor = task.assignee_id
        around = any(t.parent_id == task.id and t.part in {"before", "after"} for t in self.case.tasks_of(visit))
        if how == "transfer" and not around:
            acts.transfer(self.case, task, user)
        elif how == "delegate" and task.part != "delegate":
            acts.delegate(self.case, task, user)
        elif how in {"before", "after", "parallel"} and task.depth < 3 and task.part != "delegate":
            mode = data.draw(st.sampled_from(["any", "all", "sequential"]))
            acts.add_signers(self.case, task, visit, [user], where=how, mode=mode)
        _run(self.game.after(visit, hop=True))

    @precondition(lambda self: self.case.open_tasks and self.game.status == "running")
    @rule(data=st.data(), leaves=st.integers(0, 3))
    def goes_away(self, data: st.DataObject, leaves: int) -> None:
        """Somebody's task is handed over, or she leaves for good."""
        task = data.draw(st.sampled_from(self.case.open_tasks))
        visit = self._visit(task)
        asked = {t.assignee_id for t in self.case.tasks_of(visit) if t.state in OPEN_TASKS}
        free = [user for user in PEOPLE if user not in asked]
        self.case.actor = None
        if leaves == 0:
            self.game.give("member.left", user=str(task.assignee_id))
        elif free:
            acts.hand_over(self.case, task, data.draw(st.sampled_from(free)))
        _run(self.game.hop())

    @precondition(lambda self: self.removable)
    @rule(data=st.data())
    def remove_signer(self, data: st.DataObject) -> None:
        added = data.draw(st.sampled_from(self.removable))
        owner = self.case.task(added.parent_id or "")
        assert owner is not None
        self.case.actor = owner.assignee_id
        visit = self._visit(added)
        acts.remove_signer(self.case, owner, visit, added)
        _run(self.game.after(visit, hop=True))

    @precondition(lambda self: self.recallable)
    @rule(data=st.data())
    def recall(self, data: st.DataObject) -> None:
        task = data.draw(st.sampled_from(self.recallable))
        self.case.actor = task.assignee_id
        undoing.undo(self.case, self._visit(task), task)

    @precondition(lambda self: self.game.status == "draft")
    @rule(amount=st.sampled_from([1, 5, 9]))
    def resubmit(self, amount: int) -> None:
        _run(self.game.resubmit(amount=amount))

    @precondition(lambda self: self.game.status in {"running", "draft"})
    @rule(really=st.integers(0, 29))
    def withdraw(self, really: int) -> None:
        if really == 0:
            self.game.withdraw()

    # -- what time, the world and administrators do ------------------------------------------------------------------

    @precondition(lambda self: self.game.case.open_visits)
    @rule(data=st.data(), ok=st.booleans())
    def happens(self, data: st.DataObject, ok: bool) -> None:
        """A timer fires, or an effect comes back; perhaps for a visit that is over, perhaps twice."""
        visit = data.draw(st.sampled_from(self.case.visits))
        for _ in range(2):
            self._comes(visit, ok=ok)
        if data.draw(st.integers(0, 3)) == 0 and visit.kind == "approver":
            self.game.give("timer.due", visit=str(visit.id), name="deadline")
        _run(self.game.hop())

    @precondition(lambda self: any(v.status == VisitStatus.INCIDENT for v in self.game.case.visits))
    @rule(skip=st.booleans())
    def mend(self, skip: bool) -> None:
        for visit in [v for v in self.case.open_visits if v.status == VisitStatus.INCIDENT]:
            passable = skip and "passed" in self.case.node(visit.node).next
            self.game.give("incident.mended", visit=str(visit.id), skip=passable)
        _run(self.game.hop())

    @precondition(lambda self: self.game.status == "running")
    @rule(data=st.data(), really=st.integers(0, 14))
    def jump(self, data: st.DataObject, really: int) -> None:
        nodes = [n for n in self.case.flow.nodes if n != self.case.flow.entry]
        target = data.draw(st.sampled_from(sorted(nodes)))
        if really == 0 and returning.jump_scope(self.case, target) is not None:
            self.game.give("instance.jumped", to=target)
            _run(self.game.hop())

    @rule()
    def hop(self) -> None:
        _run(self.game.hop())

    # -- what always holds ----------------------------------------------------------------------------------------

    @invariant()
    def every_token_is_somewhere_once(self) -> None:
        if self.game.status == "running" and not self.game.waiting:
            assert _tokens(self.case, []) == 1

    @invariant()
    def whoever_is_waited_for_can_act(self) -> None:
        for task in self.case.open_tasks:
            assert self._visit(task).status == VisitStatus.ACTIVE
        if self.game.status != "running":
            return
        for visit in self.case.open_visits:
            if visit.kind in {"approver", "handler"} and visit.status == VisitStatus.ACTIVE:
                tasks = self.case.tasks_of(visit)
                assert any(task.state == TaskState.PENDING for task in tasks), [(t.state, t.reason) for t in tasks]

    @invariant()
    def it_ends_exactly_once(self) -> None:
        closed = [order for order in self.case.orders if isinstance(order, Closed)]
        ended = self.case.instance.status in ENDED
        assert len(closed) == int(ended)
        if ended or self.game.status == "draft":
            assert not self.case.open_visits
            assert not self.case.open_tasks
            assert not self.case.agenda

    @invariant()
    def the_tally_holds(self) -> None:
        for visit in self.case.visits:
            tasks = self.case.tasks_of(visit)
            if visit.kind not in {"approver", "handler"} or any(_comes_after(task) for task in tasks):
                continue
            seats = [task for task in tasks if task.part == "seat"]
            if visit.outcome in {"approved", "rejected"} and seats:
                assert visit.outcome == _by_the_table(self.case.human(visit).tally, seats)
            elif visit.status == VisitStatus.ACTIVE:
                assert _by_the_table(self.case.human(visit).tally, seats) is None

    @invariant()
    def its_history_tells_all(self) -> None:
        past = replay(self.case, self.case.notes)
        assert past.instance.status == self.case.instance.status
        assert _picture(past) == _picture(self.case)

    # -- helpers --------------------------------------------------------------------------------------------------

    @property
    def case(self) -> Case:
        return self.game.case

    @property
    def pending(self) -> list[Task]:
        return self.game.pending if self.game.status == "running" else []

    @property
    def removable(self) -> list[Task]:
        """Added ones whose owner can take them off now."""
        owners = {TaskState.PENDING, TaskState.WAITING}
        return [
            task
            for task in self.case.open_tasks
            if task.origin == "added" and (owner := self.case.task(task.parent_id or "")) and owner.state in owners
        ]

    @property
    def recallable(self) -> list[Task]:
        """Decisions that nobody has acted on yet."""
        said = _DECIDED | {TaskState.RETURNED}
        decided = [t for t in self.case.tasks if t.state in said and t.reason is None]
        return [task for task in decided if not undoing.since(self.case, self._visit(task), task)]

    def _comes(self, visit: Visit, *, ok: bool) -> None:
        if visit.kind == "delay":
            self.game.give("timer.due", visit=str(visit.id), name="delay")
        elif visit.kind == "effect":
            self.game.give("effect.done", visit=str(visit.id), ok=ok, error="It broke.")

    def _pick(self, data: st.DataObject) -> Task:
        return data.draw(st.sampled_from(self.pending))

    def _visit(self, task: Task) -> Visit:
        visit = self.case.visit(task.visit_id)
        assert visit is not None
        return visit


def _run(moving: Coroutine[Any, Any, Any]) -> None:
    """The core waits for nothing in memory."""
    try:
        moving.send(None)
    except StopIteration:
        return
    raise AssertionError("the core has waited for something")


def _tokens(case: Case, scope: list[list[Any]]) -> int:
    """How many tokens go around in a scope: one at a node, or one in a region of which every taken branch has one."""
    depth = len(scope)
    here = [v for v in case.tokens if v.scope == scope]
    joins = {v.data["fork"]: v for v in here if v.kind == "join"}
    inside = {v.scope[depth][0] for v in case.tokens if v.scope[:depth] == scope and len(v.scope) > depth}
    for fork_id in {*joins, *inside}:
        fork = case.visit(UUID(fork_id))
        assert fork is not None
        arrived = joins[fork_id].data["arrived"] if fork_id in joins else []
        for branch in fork.data["branches"]:
            found = _tokens(case, [*scope, [fork_id, branch]])
            assert found == (0 if branch in arrived else 1), (fork.node, branch, found)
    return sum(v.kind != "join" for v in here) + len({*joins, *inside})


def _by_the_table(tally: Tally, seats: list[Task]) -> str | None:
    """The outcome that the table of the modes gives; whoever did not come to decide was still open."""
    counted = [t for t in seats if t.reason != "removed" and t.state not in {"transferred", "timed_out", "returned"}]
    counted = [t for t in counted if t.reason not in {"claimed", "recalled", "left"}]
    n, a, r, b = (
        len(counted),
        *(sum(t.state == state for t in counted) for state in ("approved", "rejected", "abstained")),
    )
    p = n - a - r - b
    passes = {
        "any": a >= 1,
        "all": p == 0 and r == 0 and a >= 1,
        "sequential": p == 0 and r == 0 and a >= 1,
        "ratio": a >= 1 and 100 * a >= tally.ratio * (n - b),
        "n_of_m": a >= tally.count,
    }[tally.mode]
    fails = {
        "any": r >= 1 if tally.reject == "first" else p == 0 and a == 0,
        "all": r >= 1 if tally.reject == "first" else p == 0 and r > 0,
        "sequential": r >= 1,
        "ratio": (a + p) * 100 < tally.ratio * (n - b),
        "n_of_m": a + p < tally.count,
    }[tally.mode]
    nobody_left = p == 0
    return "approved" if passes else "rejected" if fails or nobody_left else None


def _comes_after(task: Task) -> bool:
    return task.part == "after" and task.reason != "removed"


def _picture(case: Case) -> Any:
    visits = {v.id: (v.node, str(v.status), v.outcome, list(v.edges), v.number) for v in case.visits}
    tasks = {t.id: (t.visit_id, str(t.state), t.reason, t.assignee_id) for t in case.tasks}
    return visits, tasks


TestRequests = Requests.TestCase
TestRequests.settings = settings(
    max_examples=100, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
