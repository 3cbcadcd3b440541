"""Who is to be told of what an instance's movement has come to.

The movement only says so, in an event of its commit: a durable function tells people afterwards (`notifying`), so that
no decision waits for messages, or fails with them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlmodel import col, select

from riveredge_approvals.effects.telling import Kind, name_of, template_for
from riveredge_approvals.engine.case import Case
from riveredge_approvals.events import NOTICES_DUE, Notice, NoticesDue
from riveredge_approvals.models import CarbonCopy, Decision, InstanceStatus, Task, TaskState, Visit
from riveredge_approvals.people.staff import TenantStaff
from riveredge_sdk import current_tenant, find_service, publish, session
from riveredge_sdk.features.messaging import NOTIFIER

_DECIDED = frozenset({TaskState.APPROVED, TaskState.REJECTED, TaskState.ABSTAINED, TaskState.RETURNED})
# What is taken back once the task is closed.
_TO_ASSIGNEES: Final[tuple[Kind, ...]] = ("assigned", "reminded", "overdue")
# In one event.
_MANY = 50


class Notices:
    """What is to be told of one movement; `publish` hands it over."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._notices: list[Notice] = []
        self._closed: list[UUID] = []

    def publish(self) -> None:
        """Hand over what the process wants told, after the commit. Without messaging there is nobody to do it."""
        if find_service(NOTIFIER) is None:
            return
        rest = [notice for notice in self._notices if self._is_wanted(notice.kind)]
        closed = self._closed if any(self._is_wanted(kind) for kind in _TO_ASSIGNEES) else []
        while rest or closed:
            due = NoticesDue(instance_id=self._case.instance.id, notices=rest[:_MANY], closed=closed[:_MANY])
            publish(NOTICES_DUE, due)
            rest, closed = rest[_MANY:], closed[_MANY:]

    def _is_wanted(self, kind: Kind) -> bool:
        return template_for(kind, self._case.flow) is not None

    def asked(self, task: Task) -> None:
        """Somebody can decide now."""
        if task.state == TaskState.PENDING:
            opened = task.opened_at.isoformat() if task.opened_at is not None else ""
            self._to_assignee(task, "assigned", f"{task.id}:{opened}")

    def reminded(self, visit: Visit, count: int) -> None:
        """Whoever has not decided yet is reminded for the `count`-th time."""
        urgent = any(each.name == "remind" and each.urgent for each in self._case.human(visit).deadlines)
        data = {"count": count, "by": None, "text": ""}
        for task in self._pending(visit):
            self._to_assignee(task, "reminded", f"{task.id}:{count}", urgent=urgent, data=data)

    def urged(self, tasks: Sequence[Task], by: str, text: str) -> None:
        """Somebody presses for decisions, in her words; that is not held by quiet hours."""
        for task in tasks:
            key = f"{task.id}:urged:{self._case.now.isoformat()}"
            self._to_assignee(task, "reminded", key, urgent=True, data={"count": 1, "by": by, "text": text})

    def overdue(self, visit: Visit) -> None:
        """The time of whoever is still asked is over. Whoever has taken over just now is told that."""
        for task in self._pending(visit):
            if task.opened_at != self._case.now:
                self._to_assignee(task, "overdue", str(task.id))

    async def task_closed(self, task: Task) -> None:
        """Nobody need be told to decide any more; the submitter learns of decisions, if the process wants that."""
        if task.opened_at is not None:
            self._closed.append(task.id)
        decision = next((each for each in self._case.decisions if each.task_id == task.id), None)
        if decision is None or task.state not in _DECIDED or not self._case.flow.settings.notify.get("decided"):
            return
        data = {"outcome": decision.outcome, "by": await name_of(decision.decided_by), "comment": decision.comment}
        self.tell("decided", [self._case.instance.submitter_id], str(task.id), node=task.node, data=data)

    async def copied(
        self, users: Sequence[UUID], *, visit: Visit | None = None, by: UUID | None = None, quiet: bool = False
    ) -> int:
        """Copy the request to people who have no copy from there yet: they can see it from now on; how many.

        Args:
            quiet: they are told of it otherwise.
        """
        instance, visit_id = self._case.instance, visit.id if visit is not None else None
        query = select(CarbonCopy.user_id).where(
            col(CarbonCopy.instance_id) == instance.id, col(CarbonCopy.visit_id).is_not_distinct_from(visit_id)
        )
        known = set((await session().exec(query)).all())
        new = [user for user in dict.fromkeys(users) if user not in known]
        node = visit.node if visit is not None else None
        session().add_all(
            CarbonCopy(
                tenant_id=current_tenant(),
                instance_id=instance.id,
                user_id=user,
                visit_id=visit_id,
                node=node,
                sent_by=by,
            )
            for user in new
        )
        await session().flush()
        if new and not quiet:
            self.tell("cc", new, str(visit_id or f"{instance.id}:{self._case.now.isoformat()}"), node=node)
        return len(new)

    def started(self, *, again: bool) -> None:
        """The submitter gets a receipt, if the process wants that."""
        instance = self._case.instance
        if self._case.flow.settings.notify.get("started"):
            self.tell("started", [instance.submitter_id], f"{instance.id}:{instance.form_rev}:{again}")

    async def returned(self, by: UUID | None) -> None:
        """It came back to its submitter."""
        instance, last = self._case.instance, await self._last_decision()
        by = last.decided_by if by is None and last is not None else by
        data = {"by": await name_of(by), "comment": last.comment if last is not None else ""}
        self.tell("returned", [instance.submitter_id], f"{instance.id}:{instance.rev}", data=data)

    async def finished(self) -> None:
        """The submitter learns of the end, unless it was her own doing."""
        instance = self._case.instance
        if instance.status in {InstanceStatus.WITHDRAWN, InstanceStatus.REVOKED}:
            return
        last = await self._last_decision()
        said = instance.outcome_note or (last.comment if last is not None else "")
        data = {"outcome": str(instance.status), "comment": said}
        self.tell("finished", [instance.submitter_id], str(instance.id), data=data)

    async def raised(self, visit: Visit, message: str) -> None:
        """Whoever looks after the process, or else the organisation, is to mend something."""
        staff = TenantStaff()
        admins = [user for who in self._case.flow.settings.admins for user in await staff.members(who)]
        users = admins or list(await staff.administrators())
        key = f"{visit.id}:{self._case.instance.rev}"
        self.tell("incident", users, key, node=visit.node, data={"text": message[:1000]})

    def tell(
        self, kind: Kind, to: Sequence[UUID], key: str, *, node: str | None = None, data: Mapping[str, Any] = {}
    ) -> None:
        """Something about the instance."""
        self._notices.append(Notice(kind=kind, to=list(to), key=key, node=node, data=dict(data)))

    def _to_assignee(
        self, task: Task, kind: Kind, key: str, *, urgent: bool = False, data: Mapping[str, Any] = {}
    ) -> None:
        self._notices.append(
            Notice(
                kind=kind,
                to=[task.assignee_id],
                key=key,
                node=task.node,
                task_id=task.id,
                urgent=urgent,
                data={"due_at": task.due_at.isoformat() if task.due_at is not None else None, **data},
            )
        )

    def _pending(self, visit: Visit) -> list[Task]:
        return [task for task in self._case.tasks_of(visit) if task.state == TaskState.PENDING]

    async def _last_decision(self) -> Decision | None:
        query = select(Decision).where(col(Decision.instance_id) == self._case.instance.id)
        return (await session().exec(query.order_by(col(Decision.at).desc()).limit(1))).first()
