"""What a compiled process cannot do without: roles, users, fields, plugins."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from riveredge_approvals.drawing.nodes import OWN_EFFECTS
from riveredge_approvals.ir.document import (
    CcNode,
    ChoiceNode,
    Condition,
    DelayNode,
    EffectNode,
    ForkNode,
    HumanNode,
    Needs,
    Node,
    Selector,
    Settings,
    SubflowNode,
    Who,
)

# Where selectors and settings name one of these.
_NAMED = {"user": "users", "role": "roles", "department": "departments", "group": "groups"}


def find_needs(nodes: Mapping[str, Node], settings: Settings) -> Needs:
    """Collect them from all nodes and the settings."""
    found = _Found()
    for who in (*settings.start, *settings.admins):
        found.who(who)
    found.add("templates", (template for template in settings.notify.values() if template is not None))
    found.add("fields", (f"form.{name}" for name in settings.summary))
    for node in nodes.values():
        found.node(node)
    return found.needs()


class _Found:
    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {name: set() for name in Needs.model_fields}
        self._names["plugins"].add("approvals")

    def needs(self) -> Needs:
        return Needs(**{name: tuple(sorted(names)) for name, names in self._names.items()})

    def add(self, kind: str, names: Iterable[str]) -> None:
        self._names[kind].update(names)

    def who(self, who: Who) -> None:
        if who.type in _NAMED and who.value is not None:
            self.add(_NAMED[who.type], [who.value])

    def node(self, node: Node) -> None:
        match node:
            case HumanNode():
                self.selectors(node.roster)
                self.selectors(timer.to for timer in node.deadlines if timer.to is not None)
                self.add("users", node.policies.empty.users)
                if node.skip_when is not None:
                    self.condition(node.skip_when)
            case CcNode():
                self.selectors(node.recipients)
            case ChoiceNode() | ForkNode():
                for branch in node.branches:
                    self.condition(branch.when)
            case DelayNode():
                if node.until is not None and node.until.startswith("form."):
                    self.add("fields", [node.until])
            case EffectNode():
                self.effect(node)
            case SubflowNode():
                self.add("processes", [node.process])
                self.add("fields", (name for name in (*node.map_in.values(), node.starter) if name.startswith("form.")))
                self.add("fields", (f"form.{name}" for name in node.map_out))

    def effect(self, node: EffectNode) -> None:
        self.add("effects", [node.effect])
        if node.effect not in OWN_EFFECTS:
            self.add("plugins", [node.effect.partition(".")[0]])
        self.add("fields", (f"form.{name}" for name in node.save))
        if node.effect == "webhook":
            self.add("connections", [node.config["connection"]])
        if node.effect == "notify":
            self.add("templates", [node.config["template"]])
            self.selectors(Selector.model_validate(each) for each in node.config["recipients"])

    def selectors(self, selectors: Iterable[Selector]) -> None:
        for selector in selectors:
            self.add("resolvers", [selector.resolver])
            plugin, dot, _ = selector.resolver.partition(".")
            if dot:
                self.add("plugins", [plugin])
                continue
            self._configured(selector.resolver, selector.config)

    def _configured(self, resolver: str, config: Mapping[str, Any]) -> None:
        if resolver in _NAMED:
            self.add(_NAMED[resolver], [config["value"]])
        if isinstance(until := config.get("until"), Mapping) and "role" in until:
            self.add("roles", [until["role"]])
        for part in config.get("from") or ():
            self._configured(part["type"], part)
        if str(of := config.get("of", "")).startswith("form:"):
            self.add("fields", [f"form.{of.removeprefix('form:')}"])
        if "field" in config:
            self.add("fields", [f"form.{config['field']}"])

    def condition(self, condition: Condition) -> None:
        self.add("fields", (name for name in condition_fields(condition) if name.startswith("form.")))


def condition_fields(condition: Any) -> Iterator[str]:
    """The full names of the fields that a compiled condition looks at."""
    if condition is True:
        return
    op, *rest = condition
    if op in {"all", "any", "none"}:
        for part in rest:
            yield from condition_fields(part)
    else:
        yield rest[0]
