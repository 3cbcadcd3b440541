"""The rules of people: somebody is named, is there, and suffices."""

from collections.abc import Iterable

from riveredge_approvals.drawing import assignees as who
from riveredge_approvals.drawing import nodes as data
from riveredge_approvals.drawing.validating.catalog import config_key
from riveredge_approvals.drawing.validating.subject import Subject


def check_people(subject: Subject) -> None:
    """All of them."""
    for name, read in subject.data.items():
        if isinstance(read, data.Handler):
            _check_handler(subject, name, read)
            _check_tally(subject, name, read)
        elif isinstance(read, data.Cc | data.Notify) and not read.recipients:
            subject.add("noAssignee", node=name)
    for name, line in subject.lines():
        _check_named(subject, name, line.type, getattr(line, "value", None))
        _check_places(subject, name, line)
        _check_rule(subject, name, line)
    for each in (*subject.settings.start.who, *subject.settings.admins):
        _check_named(subject, None, each.type, each.value or "")
    _check_users(subject, None, subject.settings.on_empty.users)


def _check_handler(subject: Subject, name: str, read: data.Handler) -> None:
    decides_itself = isinstance(read, data.Approver) and read.auto != "none"
    if not read.assignees and not decides_itself:
        subject.add("noAssignee", node=name)
    empty = read.on_empty or subject.settings.on_empty
    if empty.action == "approve":
        subject.add("autoApproveOnEmpty", node=name)
    if empty.action == "users" and not empty.users:
        subject.add("noAssignee", node=name)
    _check_users(subject, name, read.on_empty.users if read.on_empty is not None else ())
    policy = read.self_approval or subject.settings.self_approval
    if policy != "self" and any(isinstance(each, who.Initiator) for each in read.assignees):
        subject.add("selfApprovalLoop", node=name, policy=policy)


def _check_tally(subject: Subject, name: str, read: data.Handler) -> None:
    if (read.mode == "ratio" and not 1 <= (read.ratio or 0) <= 100) or (read.mode == "n_of_m" and read.count is None):
        subject.add("ratioRange", node=name)
    if read.mode == "weight" and read.weight_over is None:
        subject.add("weightMissing", node=name)
    users = {each.value for each in read.assignees if isinstance(each, who.User)}
    fixed = all(isinstance(each, who.User) for each in read.assignees)
    most = 1 if read.pick == "random" else len(users)
    if read.mode == "n_of_m" and (fixed or read.pick == "random") and (read.count or 0) > most:
        subject.add("countExceedsRoster", node=name, count=read.count, people=most)


def _check_named(subject: Subject, name: str | None, kind: str, value: str | None) -> None:
    if value is None:
        return
    if kind == "user":
        _check_users(subject, name, [value])
    elif kind == "role":
        _check_role(subject, name, value)
    elif kind == "department" and subject.catalog.departments is not None:
        if value not in subject.catalog.departments:
            subject.add("unknownDepartment", node=name, id=value)
    elif kind == "group" and subject.catalog.groups is not None and value not in subject.catalog.groups:
        subject.add("unknownGroup", node=name, id=value)


def _check_places(subject: Subject, name: str, line: who.Assignee) -> None:
    """What a line refers to: fields of the form, and other nodes."""
    if isinstance(line, who.FormUser | who.FormDepartmentHead):
        subject.check_field(line.field, node=name)
    elif isinstance(line, who.PreviousChoice | who.SameAs):
        _check_reference(subject, name, line)
    elif isinstance(line, who.ManagerChain) and isinstance(line.until, who.UntilRole):
        _check_role(subject, name, line.until.role)
    of = str(getattr(line, "of", ""))
    if of.startswith("form:"):
        subject.check_field(of.removeprefix("form:"), node=name)


def _check_reference(subject: Subject, name: str, line: who.PreviousChoice | who.SameAs) -> None:
    if isinstance(line, who.SameAs):
        places = subject.places
        before = name not in places or places.get(line.node, -1) < places[name]
        if not (before and subject.is_human(line.node)):
            subject.add("badNodeRef", node=name, id=line.node)
        return
    deciding = [each for each in subject.dominators.get(name, ()) if subject.is_human(each)]
    if name in subject.dominators and not deciding:
        subject.add("choiceOnFirstNode", node=name)
    elif name in subject.dominators and line.node not in deciding:
        subject.add("badNodeRef", node=name, id=line.node)


def _check_rule(subject: Subject, name: str, line: who.Assignee) -> None:
    selector = line.compile()
    known = subject.catalog.resolvers
    if known is not None and selector.resolver not in known:
        subject.add("unknownResolver", node=name, id=selector.resolver)
    for reason in subject.catalog.refused.get(config_key(selector.resolver, selector.config), ()):
        subject.add("badResolverConfig", node=name, id=selector.resolver, reason=reason)


def _check_users(subject: Subject, name: str | None, users: Iterable[str]) -> None:
    known = subject.catalog.users
    if known is None:
        return
    for user in users:
        if not known.get(user, False):
            subject.add("inactiveUser" if user in known else "unknownUser", node=name, id=user)


def _check_role(subject: Subject, name: str | None, role: str) -> None:
    known = subject.catalog.roles
    if known is not None and not known.get(role, False):
        subject.add("emptyRole" if role in known else "unknownRole", node=name, id=role)
