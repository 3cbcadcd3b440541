"""Somebody leaves while she is asked: the rule of the node is asked again, and the tally is taken anew."""

from uuid import UUID, uuid4

from riveredge_approvals.engine import acts
from riveredge_approvals.engine.case import Case
from riveredge_approvals.ir.document import HumanNode
from riveredge_approvals.models import Task, TaskState, Visit
from riveredge_approvals.people.roster import Candidate, Roster

from .cases import Named, Play, play
from .flows import END, START, flow, human

A, B, C, D = (uuid4() for _ in range(4))


class Living(Named):
    """People are who the drawing names, without those who are gone; then `instead`, or a verdict."""

    def __init__(self) -> None:
        self.gone: set[UUID] = set()
        self.more: list[UUID] = []
        self.instead: Roster | None = None

    async def roster(self, case: Case, visit: Visit, node: HumanNode) -> Roster:
        found = await super().roster(case, visit, node)
        found.candidates = [each for each in found.candidates if each.user_id not in self.gone]
        found.candidates += [Candidate(user) for user in self.more]
        return found if found.candidates or self.instead is None else self.instead


async def asked(*people: UUID, **node: object) -> tuple[Play, Living]:
    game = play(flow({"start": {**START, "next": {"passed": "a"}}, "a": human("end", *people, **node), "end": END}))
    world = Living()
    game.case.world = world
    await game.start()
    return game, world


async def leaves(game: Play, world: Living, user: UUID) -> None:
    world.gone.add(user)
    game.give("member.left", user=str(user))
    await game.hop()


def visit_of(game: Play) -> Visit:
    visit = game.case.last_visit("a")
    assert visit is not None
    return visit


def open_tasks(game: Play) -> dict[UUID, str]:
    return {task.assignee_id: str(task.state) for task in game.case.open_tasks}


def opened(game: Play, user: UUID) -> Task:
    return next(task for task in game.case.open_tasks if task.assignee_id == user)


async def test_the_tally_is_taken_anew_without_who_has_left() -> None:
    # All of two: one has approved, so the other's leaving decides.
    game, world = await asked(A, B, tally={"mode": "all"})
    await game.decide(A)
    await leaves(game, world, B)
    assert (game.status, game.states("a")) == ("approved", ["approved", "closed:left"])
    await leaves(game, world, B)
    assert len(game.case.tasks) == 2
    # Two of three are still to be had with one gone; with two gone they are not.
    game, world = await asked(A, B, C, tally={"mode": "n_of_m", "count": 2})
    await game.decide(A)
    await leaves(game, world, B)
    assert (game.status, open_tasks(game)) == ("running", {C: "pending"})
    await leaves(game, world, C)
    assert game.status == "rejected"
    # In a sequence it is the next one's turn.
    game, world = await asked(A, B, tally={"mode": "sequential"})
    await leaves(game, world, A)
    assert open_tasks(game) == {B: "pending"}


async def test_who_comes_instead_is_asked_in_her_place_and_the_trace_says_why() -> None:
    game, world = await asked(A, B, tally={"mode": "sequential"})
    world.more = [C]
    await leaves(game, world, A)
    (new,) = (task for task in game.case.open_tasks if task.assignee_id == C)
    assert (new.state, new.seq, new.trace[0]) == ("pending", 0, {"code": "left", "user": str(A)})
    assert open_tasks(game) == {B: "waiting", C: "pending"}
    # Who has decided, or has passed it on to somebody who is there, is not asked again.
    game, world = await asked(A, B, C, tally={"mode": "all"})
    await game.decide(A)
    acts.transfer(game.case, game.task(B), D)
    await leaves(game, world, C)
    assert open_tasks(game) == {D: "pending"}
    # It comes back to whoever has passed it on to her.
    await leaves(game, world, D)
    assert open_tasks(game) == {B: "pending"}
    acts.hand_over(game.case, game.task(B), D)
    await leaves(game, world, D)
    assert open_tasks(game) == {B: "pending"}


async def test_nobody_is_left() -> None:
    for verdict, status in (("approve", "approved"), ("reject", "rejected"), ("block", "running")):
        game, world = await asked(A)
        world.instead = Roster([], verdict, {"en": "Nobody.", "zh-CN": "无人。"})  # type: ignore[arg-type]
        await leaves(game, world, A)
        assert (game.status, open_tasks(game)) == (status, {})
        assert visit_of(game).status == (
            "incident" if verdict == "block" else {"approved": "passed"}.get(status, "failed")
        )


async def test_those_around_a_task_go_with_it_and_who_waits_for_them_goes_on() -> None:
    game, world = await asked(A, B, tally={"mode": "all"})
    acts.add_signers(game.case, game.task(A), visit_of(game), [C, D], where="before", mode="all")
    assert opened(game, A).state == "waiting"
    await leaves(game, world, C)
    assert opened(game, A).state == "waiting"
    await leaves(game, world, D)
    assert opened(game, A).state == "pending"
    acts.delegate(game.case, game.task(A), C)
    await leaves(game, world, C)
    assert opened(game, A).state == "pending"
    acts.add_signers(game.case, game.task(A), visit_of(game), [C], where="after", mode="all")
    acts.delegate(game.case, game.task(B), D)
    await leaves(game, world, A)
    assert open_tasks(game) == {B: "delegated", D: "pending"}


async def test_who_was_to_come_after_and_is_there_no_more_overrules_nothing() -> None:
    for how in ("left", "removed"):
        game, world = await asked(A)
        (added,) = acts.add_signers(game.case, game.task(A), visit_of(game), [C], where="after", mode="all")
        if how == "left":
            await leaves(game, world, C)
        else:
            acts.remove_signer(game.case, game.task(A), visit_of(game), added)
        await game.decide(A)
        assert (game.status, added.state) == ("approved", TaskState.CLOSED)


async def test_a_pool_is_open_to_the_others_again() -> None:
    game, world = await asked(A, B, C, claim=True)
    acts.take(game.case, game.task(A))
    await leaves(game, world, B)
    assert open_tasks(game) == {A: "pending"}
    await leaves(game, world, A)
    assert open_tasks(game) == {C: "pending"}


async def test_a_place_is_handed_over_as_it_is() -> None:
    game, _ = await asked(A, B, tally={"mode": "sequential"})
    acts.add_signers(game.case, game.task(A), visit_of(game), [C], where="before", mode="any")
    acts.hand_over(game.case, opened(game, A), D)
    assert open_tasks(game) == {D: "waiting", B: "waiting", C: "pending"}
    await game.decide(C)
    assert open_tasks(game) == {D: "pending", B: "waiting"}
    acts.delegate(game.case, game.task(D), C)
    acts.hand_over(game.case, opened(game, D), A)
    await game.decide(C)
    await game.decide(A)
    await game.decide(B)
    assert game.status == "approved"
