"""What a drawing names of the organisation: what a catalog for it has to know."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from riveredge_approvals.drawing import nodes as data
from riveredge_approvals.drawing.assignees import Assignee, ManagerChain, UntilRole
from riveredge_approvals.drawing.documents import Diagram
from riveredge_approvals.drawing.settings import OnEmpty
from riveredge_approvals.drawing.validating.catalog import Catalog, config_key
from riveredge_approvals.drawing.validating.shape import check_size
from riveredge_approvals.drawing.validating.subject import Subject
from riveredge_approvals.ir.document import Who


@dataclass(frozen=True, slots=True)
class Configured:
    """A resolver or an effect with its configuration."""

    id: str
    config: Mapping[str, Any]


@dataclass(slots=True)
class Names:
    """All of them. `rules` are the lines that say who, `effects` the nodes that do something, both by `config_key`."""

    users: set[str] = field(default_factory=set)
    roles: set[str] = field(default_factory=set)
    departments: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    rules: dict[str, Configured] = field(default_factory=dict)
    effects: dict[str, Configured] = field(default_factory=dict)
    connections: set[str] = field(default_factory=set)
    templates: set[str] = field(default_factory=set)
    processes: set[str] = field(default_factory=set)

    def add_who(self, kind: str, value: str | None) -> None:
        """Somebody, or several."""
        kinds = {"user": self.users, "role": self.roles, "department": self.departments, "group": self.groups}
        if kind in kinds and value is not None:
            kinds[kind].add(value)

    def add_line(self, line: Assignee) -> None:
        """A line that says who."""
        selector = line.compile()
        self.rules[config_key(selector.resolver, selector.config)] = Configured(selector.resolver, selector.config)
        self.add_who(line.type, getattr(line, "value", None))
        if isinstance(line, ManagerChain) and isinstance(line.until, UntilRole):
            self.roles.add(line.until.role)

    def add_effect(self, node_type: str, read: data.Effect) -> None:
        """A node that does something."""
        if isinstance(read, data.Webhook):
            self.connections.add(read.connection)
        elif isinstance(read, data.Notify):
            self.templates.add(read.template)
        else:
            effect, config = data.effect_id(node_type), dict(read.model_extra or {})
            self.effects[config_key(effect, config)] = Configured(effect, config)


def find_names(diagram: Diagram) -> Names:
    """What a drawing names, as far as it can be read."""
    subject = Subject(diagram, {}, Catalog())
    names = Names()
    if not check_size(subject):
        return names
    subject.read()
    _add_settings(subject, names)
    for _, line in subject.lines():
        names.add_line(line)
    for name, read in subject.data.items():
        if isinstance(read, data.Effect):
            names.add_effect(subject.graph.nodes[name].type, read)
        elif isinstance(read, data.Subflow):
            names.processes.add(read.process)
        elif isinstance(read, data.Handler):
            names.users.update(_of(read.on_empty))
    return names


def _add_settings(subject: Subject, names: Names) -> None:
    settings = subject.settings
    everybody: Iterable[Who] = (*settings.start.who, *settings.admins)
    for who in everybody:
        names.add_who(who.type, who.value)
    names.users.update(_of(settings.on_empty))
    names.templates.update(template for template in settings.notify.values() if template)


def _of(on_empty: OnEmpty | None) -> Iterable[str]:
    return on_empty.users if on_empty is not None else ()
