"""What a designer can draw with: types of nodes, ways to say who, operators, and what plugins add."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, get_args

from pydantic import BaseModel, Field

from riveredge_approvals.drawing.assignees import ASSIGNEES
from riveredge_approvals.drawing.documents import MAX_BYTES
from riveredge_approvals.drawing.graph import MAX_NODES
from riveredge_approvals.drawing.nodes import ALIASES, FORKS, TYPES, Effect, handles
from riveredge_approvals.drawing.settings import DrawnSettings
from riveredge_approvals.drawing.validating import CODES, Issue
from riveredge_approvals.drawing.validating.shape import MAX_DEPTH, MAX_EDGES
from riveredge_approvals.ir.conditions import BUILT_IN, OPS
from riveredge_approvals.people.resolvers.registry import OWN as OWN_RESOLVERS
from riveredge_sdk import Plugin, contributions, current_context
from riveredge_sdk.conditions import Group
from riveredge_sdk.features.approvals import ApprovalNode, ApproverResolver

# Titles in English and Chinese.
_TITLES: Final[Mapping[str, tuple[str, str]]] = {
    "start": ("Start", "发起"),
    "approver": ("Approval", "审批"),
    "handler": ("Task", "办理"),
    "cc": ("Copy", "抄送"),
    "condition": ("Condition", "条件分支"),
    "parallel": ("Parallel branches", "并行分支"),
    "inclusive": ("Inclusive branches", "包容分支"),
    "join": ("Join", "汇合"),
    "delay": ("Delay", "延时"),
    "webhook": ("Webhook", "网络请求"),
    "notify": ("Message", "消息通知"),
    "subflow": ("Subflow", "子流程"),
    "end": ("End", "结束"),
}
# The lines that say who, by their type.
_LINES: Final[Mapping[str, type[BaseModel]]] = {
    get_args(model.model_fields["type"].annotation)[0]: model for model in ASSIGNEES
}


class NodeTypeOut(BaseModel):
    """A type of node."""

    type: str
    title: str
    description: str
    plugin: str = Field(description="Who brings it.")
    outputs: str = Field(description="`one`, `many` or `none`.")
    handles: list[str] = Field(description="Further exits, by which `sourceHandle` names them.")
    data: dict[str, Any] = Field(description="JSON Schema of `data`.")


class ResolverOut(BaseModel):
    """A way to say who."""

    type: str = Field(description="Of a line; plugins' ones are `resolver` with this id.")
    title: str
    description: str
    plugin: str
    config: dict[str, Any] = Field(description="JSON Schema of the line, or of the resolver's `config`.")


class CodeOut(BaseModel):
    """A code of the validation."""

    code: str
    severity: str


class PaletteOut(BaseModel):
    """All that a designer can draw with."""

    nodes: list[NodeTypeOut]
    resolvers: list[ResolverOut]
    operators: dict[str, list[str]] = Field(description="What can be asked of fields, by their type.")
    fields: dict[str, str] = Field(description="Fields that every request has, with their types.")
    condition: dict[str, Any] = Field(description="JSON Schema of conditions.")
    settings: dict[str, Any] = Field(description="JSON Schema of the settings.")
    codes: list[CodeOut]
    limits: dict[str, int]


def palette() -> PaletteOut:
    """What there is for the current tenant, titles in the language of whoever asks."""
    nodes = [_own_node(name) for name in _TITLES]
    nodes += [_plugin_node(each) for each in contributions(Plugin.approval_nodes)]
    resolvers = [_own_resolver(each) for each in OWN_RESOLVERS]
    others = (each for each in contributions(Plugin.approver_resolvers) if each not in OWN_RESOLVERS)
    return PaletteOut(
        nodes=nodes,
        resolvers=[*resolvers, *(_plugin_resolver(each) for each in others)],
        operators={kind: sorted(ops) for kind, ops in OPS.items()},
        fields=dict(BUILT_IN),
        condition=_schema(Group),
        settings=_schema(DrawnSettings),
        codes=[CodeOut(code=code, severity=Issue(code).severity) for code in sorted(CODES)],
        limits={"nodes": MAX_NODES, "edges": MAX_EDGES, "depth": MAX_DEPTH, "bytes": MAX_BYTES},
    )


@lru_cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(by_alias=True)


def _own_node(name: str) -> NodeTypeOut:
    model = TYPES[name]
    english, chinese = _TITLES[name]
    return NodeTypeOut(
        type=name,
        title=chinese if current_context().locale.startswith("zh") else english,
        description=_help(model),
        plugin="approvals",
        outputs="many" if name in FORKS else "none" if name == "end" else "one",
        handles=sorted(handles(name)),
        data=_schema(model),
    )


def _plugin_node(node: ApprovalNode[Any]) -> NodeTypeOut:
    schema = {**_schema(Effect), "title": node.title}
    model: type[BaseModel] = node.config
    config = _schema(model)
    # The type's own configuration stands in `data` beside what all of them have.
    schema["properties"] = {**schema["properties"], **config.get("properties", {})}
    schema["required"] = [*schema.get("required", ()), *config.get("required", ())]
    schema["$defs"] = {**schema.get("$defs", {}), **config.get("$defs", {})}
    names = {effect: alias for alias, effect in ALIASES.items()}
    return NodeTypeOut(
        type=names.get(node.id, node.id),
        title=node.title,
        description=node.description,
        plugin=node.id.partition(".")[0],
        outputs="one",
        handles=["error"],
        data=schema,
    )


def _own_resolver(resolver: ApproverResolver[Any]) -> ResolverOut:
    name = resolver.id.partition(".")[2]
    return ResolverOut(
        type=name,
        title=resolver.title,
        description=resolver.description,
        plugin="approvals",
        config=_schema(_LINES[name]),
    )


def _plugin_resolver(resolver: ApproverResolver[Any]) -> ResolverOut:
    model: type[BaseModel] = resolver.config
    return ResolverOut(
        type=resolver.id,
        title=resolver.title,
        description=resolver.description,
        plugin=resolver.id.partition(".")[0],
        config=_schema(model),
    )


def _help(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().partition("\n")[0]


__all__ = ["PaletteOut", "palette"]
