"""The way a request would take, and who would be asked, before it is submitted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from riveredge_approvals.engine.case import Case
from riveredge_approvals.foresight.durations import usual_seconds
from riveredge_approvals.foresight.schemas import (
    ChoiceDue,
    ExpectedPerson,
    PreviewOut,
    Question,
    Step,
)
from riveredge_approvals.foresight.walking import Expected, Outcome, Walk, to_be_chosen
from riveredge_approvals.instances.branching import looks, why_skipped
from riveredge_approvals.instances.forms import with_defaults
from riveredge_approvals.instances.titles import make_title
from riveredge_approvals.ir.document import ChoiceNode, CompiledFlow, EffectNode, ForkNode, HumanNode, SubflowNode
from riveredge_approvals.ir.wording import Wording
from riveredge_approvals.models import Instance, InstanceStatus, Task, Visit, VisitStatus
from riveredge_approvals.people.choosing import choice_errors, choices_of_deciders, choices_of_submitter
from riveredge_approvals.people.explaining import explain, explain_roster, mentioned, names_of
from riveredge_approvals.people.schemas import PersonRef
from riveredge_approvals.speech import Texts, texts_of, told, told_of
from riveredge_sdk import Subject, utcnow, uuid7
from riveredge_sdk.problems import FieldError, Invalid

MAX_SHOWN = 100
_STATUSES = {
    VisitStatus.PASSED: "passed",
    VisitStatus.SKIPPED: "skipped",
    VisitStatus.CANCELLED: "cancelled",
    VisitStatus.INCIDENT: "stuck",
    VisitStatus.ACTIVE: "open",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A request that nobody has submitted.

    Args:
        form: as far as it is filled in.
        choices: whom the submitter, or somebody on the way, chooses, by node.
        outcomes: what is assumed to be decided, by node.
        subject: the record that it would be about.
    """

    process_id: UUID
    flow: CompiledFlow
    form_schema: Mapping[str, Any]
    form: Mapping[str, Any]
    submitter: UUID
    department: UUID | None
    choices: Mapping[str, Sequence[UUID]]
    outcomes: Mapping[str, Outcome]
    subject: Subject | None = None


async def walk(planned: Planned, seconds: Mapping[str, float]) -> Walk:
    """Walk it through, in memory: `seconds` is how long nodes take.

    Raises:
        Invalid: something is assumed of what is not there.
    """
    _check(planned)
    form = with_defaults(planned.form_schema, planned.form)
    instance = Instance(
        id=uuid7(),
        process_id=planned.process_id,
        version_id=uuid7(),
        number="",
        title=await make_title(planned.flow, form, planned.submitter, ""),
        form=form,
        submitter_id=planned.submitter,
        department_id=planned.department,
        subject_type=planned.subject.type if planned.subject is not None else None,
        subject_id=str(planned.subject.id) if planned.subject is not None else None,
        choices={node: [str(user) for user in users] for node, users in planned.choices.items()},
        status=InstanceStatus.RUNNING,
    )
    case = Case(instance=instance, flow=planned.flow, world=Expected(), now=utcnow())
    done = Walk(case, seconds, planned.outcomes)
    await done.run()
    return done


async def preview(planned: Planned, *, draft: bool = False) -> PreviewOut:
    """The whole answer.

    Raises:
        Invalid: as `walk`.
    """
    seconds = await usual_seconds(planned.process_id)
    done = await walk(planned, seconds)
    case = done.case
    names = await names_of(_everybody(case))
    wording = Wording.of(planned.flow, planned.form_schema)
    steps = [_Teller(done, seconds, names, wording, visit).step(case.visits[0].opened_at) for visit in case.visits]
    return PreviewOut(
        process=planned.flow.process,
        version=planned.flow.version,
        draft=draft,
        submitter=PersonRef(id=planned.submitter, name=names.get(planned.submitter, "—")),
        department=planned.department,
        result=result_of(case),
        steps=steps,
        questions=[*await _choices_due(planned), *_fields_due(done)],
        unresolved=list(dict.fromkeys(step.node for step in steps if step.unresolved)),
        warnings=_each_once(warning for step in steps for warning in step.warnings),
        expected_hours=done.hours(),
    )


def _each_once(texts: Iterable[Texts]) -> list[Texts]:
    return list({text["en"]: text for text in texts}.values())


def is_unresolved(case: Case, visit: Visit) -> bool:
    """Whether nobody was found whom the visit's node is for: others were called in, or it went on, or stopped."""
    node = case.node(visit.node)
    if not isinstance(node, HumanNode) or (to_be_chosen(case, visit.node, node) and not case.tasks_of(visit)):
        return False
    return any(step["step"] == "empty" for step in visit.data.get("roster", ()))


async def _choices_due(planned: Planned) -> list[Question]:
    """Whom the submitter has to choose before it can be submitted.

    Raises:
        Invalid: somebody was chosen who cannot be.
    """
    later = choices_of_deciders(planned.flow)
    not_yet = {choice.node: True for choice in later}
    errors = await choice_errors([*choices_of_submitter(planned.flow), *later], planned.choices, already=not_yet)
    if wrong := [each for each in errors if each.code not in {"missing", "count"}]:
        raise Invalid(told("Somebody cannot be chosen.", "有人员不可选择。"), errors=wrong)
    return [Question(needs=each.field, node=each.field.split(".")[1], message=each.message) for each in errors]


def _fields_due(done: Walk) -> list[Question]:
    """What conditions and delays need to know."""
    stops = [(visit.node, done.stops[visit.id]) for visit in done.case.visits if visit.id in done.stops]
    return [Question(needs=stop.field, node=node, message=told_of(stop.message)) for node, stop in stops if stop.field]


def _check(planned: Planned) -> None:
    nodes = planned.flow.nodes
    errors = [
        FieldError(f"outcomes.{name}", told("There is no such node.", "没有此节点。"), "unknown")
        for name in planned.outcomes
        if name not in nodes
    ]
    for name, outcome in planned.outcomes.items():
        node = nodes.get(name)
        human = isinstance(node, HumanNode) and node.kind == "approver"
        if outcome == "rejected" and node is not None and not (human or isinstance(node, SubflowNode)):
            message = told("Nobody can reject there.", "该节点不能拒绝。")
            errors.append(FieldError(f"outcomes.{name}", message, "unsupported"))
        elif outcome == "failed" and node is not None and not isinstance(node, EffectNode | SubflowNode):
            message = told("Nothing is done outside there that could fail.", "该节点不执行外部操作，不会失败。")
            errors.append(FieldError(f"outcomes.{name}", message, "unsupported"))
    if errors:
        raise Invalid(told("What is assumed does not fit the process.", "假设与流程不符。"), errors=errors)


def _everybody(case: Case) -> set[UUID]:
    found = {case.instance.submitter_id}
    for task in case.tasks:
        found |= {task.assignee_id, *mentioned(task.trace)}
        if task.principal_id is not None:
            found.add(task.principal_id)
    for visit in case.visits:
        found |= mentioned(visit.data.get("roster", ()))
        found |= {UUID(user) for user in visit.data.get("users", ())}
    return found


def result_of(case: Case) -> Any:
    """What becomes of the request: approved, rejected, returned to its submitter, or unknown."""
    match case.instance.status:
        case InstanceStatus.APPROVED | InstanceStatus.REJECTED:
            return str(case.instance.status)
        case InstanceStatus.DRAFT:
            return "returned"
        case _:
            return "unknown"


def _hours(begin: datetime, end: datetime) -> float:
    return round((end - begin).total_seconds() / 3600, 2)


@dataclass(frozen=True, slots=True)
class _Teller:
    """Tells of one visit of a walk."""

    walk: Walk
    seconds: Mapping[str, float]
    names: Mapping[UUID, str]
    wording: Wording
    visit: Visit

    def step(self, begin: datetime) -> Step:
        case, visit = self.walk.case, self.visit
        node = case.node(visit.node)
        people = self._people()
        stuck = visit.id in self.walk.stops
        known = self.walk.is_timed(visit)
        return Step(
            node=visit.node,
            label=node.label or visit.node,
            kind=node.kind,
            visit=visit.number,
            region=list(node.region),
            status="stuck" if stuck else self._status(),
            mode=node.tally.mode if isinstance(node, HumanNode) else None,
            people=people[:MAX_SHOWN],
            count=len(people),
            unresolved=is_unresolved(case, visit),
            choice=self._choice(),
            notes=explain_roster(visit.data.get("roster", ()), self.names, self.wording.labels) + self._own_way(),
            warnings=[texts_of(each) for each in visit.data.get("warnings", ())],
            branches=looks(visit, node, self.wording) if isinstance(node, ChoiceNode | ForkNode) else [],
            does=node.effect if isinstance(node, EffectNode) else getattr(node, "process", None),
            starts_after_hours=_hours(begin, visit.opened_at) if self.seconds else None,
            expected_hours=_hours(visit.opened_at, visit.closed_at) if known and visit.closed_at is not None else None,
        )

    def _status(self) -> Any:
        if self.visit.status == VisitStatus.FAILED:
            return "rejected" if self.visit.outcome == "rejected" else "failed"
        return _STATUSES[VisitStatus(self.visit.status)]

    def _people(self) -> list[ExpectedPerson]:
        asked = [self._asked(task) for task in self.walk.case.tasks_of(self.visit)]
        told = [
            ExpectedPerson(
                id=UUID(user), name=self._name(UUID(user)), for_user=None, weight=1, asked=False, why=[], trace=[]
            )
            for user in self.visit.data.get("users", ())
        ]
        return asked + told

    def _asked(self, task: Task) -> ExpectedPerson:
        principal = task.principal_id
        return ExpectedPerson(
            id=task.assignee_id,
            name=self._name(task.assignee_id),
            for_user=PersonRef(id=principal, name=self._name(principal)) if principal is not None else None,
            weight=task.weight,
            asked=task.reason != "auto",
            why=explain(task.trace, task.assignee_id, self.names, self.wording.labels),
            trace=task.trace,
        )

    def _name(self, user: UUID) -> str:
        return self.names.get(user, "—")

    def _choice(self) -> ChoiceDue | None:
        node = self.walk.case.node(self.visit.node)
        rule = to_be_chosen(self.walk.case, self.visit.node, node) if isinstance(node, HumanNode) else None
        if rule is None:
            return None
        return ChoiceDue(
            by=str(rule.config.get("node", "initiator")),
            min=int(rule.config.get("min", 1)),
            max=int(rule.config.get("max", 20)),
        )

    def _own_way(self) -> list[dict[str, str]]:
        """Why nobody is asked, where that is the drawing's own wish."""
        node = self.walk.case.node(self.visit.node)
        if not isinstance(node, HumanNode):
            return []
        if self.visit.data.get("why") == "auto":
            return [{"en": "Decides by itself; nobody is asked.", "zh-CN": "该节点自动处理，无需人工。"}]
        skipped = why_skipped(self.visit, node, self.wording)
        return [skipped] if skipped is not None else []
