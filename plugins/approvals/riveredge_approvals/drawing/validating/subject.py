"""The drawing under validation, with what several rules need of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from riveredge_approvals.drawing.assignees import Assignee, InitiatorChoice
from riveredge_approvals.drawing.documents import Diagram
from riveredge_approvals.drawing.fields import field_types
from riveredge_approvals.drawing.graph import Blocks, Graph, find_blocks, find_dominators
from riveredge_approvals.drawing.nodes import HUMAN, Cc, Data, Handler, Notify, data_model
from riveredge_approvals.drawing.settings import DrawnSettings
from riveredge_approvals.drawing.validating.catalog import Catalog
from riveredge_approvals.drawing.validating.issues import Issue
from riveredge_approvals.speech import texts_of_flaw
from riveredge_sdk.problems import field_errors

ReadT = TypeVar("ReadT", bound=BaseModel)
# Of one node, or of the settings.
_MAX_FLAWS = 20


@dataclass(slots=True)
class Subject:
    """What is validated.

    Attributes:
        data: what could be read of the nodes' data; a node that is missing here has an issue of its own.
        sound: it goes one way from one start, so regions, dominators and places in the order mean something.
    """

    diagram: Diagram
    form: Mapping[str, Any]
    catalog: Catalog
    issues: list[Issue] = field(default_factory=list)
    data: dict[str, Data] = field(default_factory=dict)
    settings: DrawnSettings = field(default_factory=lambda: DrawnSettings.model_validate({}))
    types: Mapping[str, str] = field(default_factory=dict)
    graph: Graph = field(init=False)
    blocks: Blocks = field(default_factory=Blocks)
    dominators: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    places: Mapping[str, int] = field(default_factory=dict)
    sound: bool = False
    has_end: bool = False

    def read(self) -> None:
        """Look at all of it. What cannot be read is an issue."""
        self.graph = Graph(self.diagram)
        self.has_end = any(node.type == "end" for node in self.graph.nodes.values())
        self.types = field_types(self.form)
        self.sound = len(self.graph.starts) == 1 and len(self.graph.order) == len(self.graph.reached)
        if self.sound:
            self.blocks = find_blocks(self.graph)
            self.dominators = find_dominators(self.graph)
            self.places = {name: place for place, name in enumerate(self.graph.order)}
        for node in self.graph.nodes.values():
            model = data_model(node.type)
            if model is not None and (read := self._read(model, node.data, node=node.id)) is not None:
                self.data[node.id] = read
        self.settings = self._read(DrawnSettings, self.diagram.settings, path="settings") or self.settings

    def _read(self, model: type[ReadT], raw: Any, *, path: str = "data", node: str | None = None) -> ReadT | None:
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            for each in field_errors(error.errors(), raw, under=[path])[:_MAX_FLAWS]:
                self.add("badData", node=node, path=each.field, reason=texts_of_flaw(each.code, each.message))
            return None

    def add(self, code: str, *, node: str | None = None, edge: str | None = None, **details: Any) -> None:
        """Note an issue, once."""
        issue = Issue(code, node, edge, details)
        if issue not in self.issues[-_MAX_FLAWS:]:
            self.issues.append(issue)

    @property
    def properties(self) -> Mapping[str, Any]:
        """The fields of the form."""
        found = self.form.get("properties")
        return found if isinstance(found, Mapping) else {}

    def lines(self) -> Iterator[tuple[str, Assignee]]:
        """Every line that says who, with its node."""
        for name, read in self.data.items():
            for each in _lines(read):
                yield name, each
                if isinstance(each, InitiatorChoice):
                    yield from ((name, allowed) for allowed in each.from_ or ())

    def is_human(self, name: str) -> bool:
        """Whether people decide there."""
        return name in self.graph.nodes and self.graph.nodes[name].type in HUMAN

    def check_field(self, name: str, *, node: str | None = None, edge: str | None = None) -> None:
        """Note it if it is no field of the form: `amount`, or `form.amount`."""
        if f"form.{name.removeprefix('form.')}" not in self.types:
            self.add("unknownField", node=node, edge=edge, field=name)


def _lines(read: Data) -> Sequence[Assignee]:
    if isinstance(read, Handler):
        target = read.timeout.to if read.timeout is not None else None
        return [*read.assignees, *([target] if target is not None else [])]
    return read.recipients if isinstance(read, Cc | Notify) else ()
