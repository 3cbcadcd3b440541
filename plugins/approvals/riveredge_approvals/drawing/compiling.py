"""Compile a drawing: `flow/1` becomes `flow-ir/1`, the only thing that instances run on.

Pure and deterministic: the same drawing with the same form gives the same checksum, wherever its nodes lie on the
canvas and in which order they were drawn.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from riveredge_approvals.drawing import nodes as data
from riveredge_approvals.drawing.documents import Diagram, DrawnEdge, DrawnNode
from riveredge_approvals.drawing.durations import read_duration
from riveredge_approvals.drawing.expressions import compile_expression
from riveredge_approvals.drawing.fields import field_types
from riveredge_approvals.drawing.graph import (
    MAX_NODES,
    Blocks,
    Graph,
    find_blocks,
    find_dominators,
    longest_path,
    most_tokens,
)
from riveredge_approvals.drawing.needs import find_needs
from riveredge_approvals.drawing.settings import DrawnSettings
from riveredge_approvals.ir import document as ir
from riveredge_sdk.conditions import Group

DataT = TypeVar("DataT", bound=BaseModel)
_WEBHOOK = ("connection", "method", "path", "headers", "body")
# Of ours, where the drawing says nothing.
_RETRIES, _TIMEOUT_S = 4, 30


class CompileError(ValueError):
    """It cannot be compiled: publishing validates first, and says what to mend."""


def compile_flow(
    diagram: Diagram, form_schema: Mapping[str, Any] | None = None, *, process: str = "process", version: int = 1
) -> ir.CompiledFlow:
    """The compiled form of a drawing and its form, a JSON Schema.

    Raises:
        CompileError: it has errors that validation would name.
    """
    graph = Graph(diagram)
    if len(graph.nodes) > MAX_NODES:
        raise CompileError(f"A flow has at most {MAX_NODES} nodes.")
    if len(graph.starts) != 1 or len(graph.order) != len(graph.reached):
        raise CompileError("A flow has one start, and no way back.")
    blocks = find_blocks(graph)
    for flaw in (*graph.flaws, *blocks.flaws):
        raise CompileError(f"{flaw.node or flaw.edge}: {flaw.code}")
    schema = dict(form_schema or {})
    try:
        compiled = _Compiler(graph, blocks, _read(DrawnSettings, diagram.settings), field_types(schema)).run()
    except (ValidationError, ValueError, KeyError, TypeError, IndexError) as error:
        raise CompileError(str(error)) from error
    content = compiled.model_dump(mode="json", exclude={"process", "version", "checksum"})
    written = json.dumps([content, schema], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    checksum = f"sha256:{hashlib.sha256(written.encode()).hexdigest()}"
    return compiled.model_copy(update={"process": process, "version": version, "checksum": checksum})


class _Compiler:
    def __init__(self, graph: Graph, blocks: Blocks, settings: DrawnSettings, types: Mapping[str, str]) -> None:
        self._graph = graph
        self._blocks = blocks
        self._settings = settings
        self._types = types
        self._dominators = find_dominators(graph)

    def run(self) -> ir.CompiledFlow:
        nodes = {name: self._node(self._graph.nodes[name]) for name in self._graph.order}
        settings = self._compiled_settings()
        limits = ir.Limits(
            nodes=len(nodes),
            max_parallel=most_tokens(self._graph, self._blocks),
            longest_path=longest_path(self._graph),
        )
        return ir.CompiledFlow(
            process="",
            version=0,
            checksum="",
            entry=self._graph.starts[0],
            settings=settings,
            types=self._types,
            nodes=nodes,
            needs=find_needs(nodes, settings),
            limits=limits,
        )

    def _compiled_settings(self) -> ir.Settings:
        drawn = self._settings
        return ir.Settings(
            start=tuple(drawn.start.who),
            admins=tuple(drawn.admins),
            summary=tuple(drawn.summary),
            notify={kind: template or None for kind, template in drawn.notify.items()},
            **{
                name: getattr(drawn, name)
                for name in ("title", "withdraw", "revoke_minutes", "resubmit", "calendar", "serial", "mail_approval")
            },
        )

    def _node(self, node: DrawnNode) -> ir.Node:
        model = data.data_model(node.type)
        if model is None:
            raise CompileError(f"{node.id}: there is no type {node.type!r}.")
        read: Any = _read(model, node.data)
        common: dict[str, Any] = {
            "label": read.label,
            "next": {} if node.type in data.FORKS else self._exits(node),
            "region": self._blocks.regions[node.id],
            "dominators": self._dominators[node.id],
        }
        return _MAKERS[model](self, node, read, common)

    def _exits(self, node: DrawnNode) -> dict[str, ir.Exit]:
        named = data.handles(node.type)
        return {
            edge.source_handle if edge.source_handle in named else "passed": ir.Exit(edge=edge.id, to=edge.target)
            for edge in self._graph.out[node.id]
        }

    def fork(self, node: DrawnNode, _: data.Fork, common: Mapping[str, Any]) -> ir.Node:
        """Where ways part."""
        edges = self._graph.out[node.id]
        branches = tuple(
            ir.Branch(edge=edge.id, to=edge.target, when=True if node.type == "parallel" else self._when(edge))
            for edge in edges
        )
        if node.type == "condition":
            return ir.ChoiceNode(**common, branches=branches)
        kind: Any = node.type
        return ir.ForkNode(**common, kind=kind, branches=branches, join=self._blocks.joins[node.id])

    def _when(self, edge: DrawnEdge) -> ir.Condition:
        if edge.data.get("default") is True:
            return True
        return compile_expression(_read(Group, edge.data["when"]), self._types)

    def join(self, node: DrawnNode, read: data.Join, common: Mapping[str, Any]) -> ir.Node:
        """Where they meet."""
        return ir.JoinNode(**common, fork=self._blocks.forks[node.id], branch_reject=read.branch_reject)

    def human(self, node: DrawnNode, read: data.Handler, common: Mapping[str, Any]) -> ir.Node:
        """Where people decide."""
        values: dict[str, Any] = {name: getattr(read, name) for name in ("claim", "comment", "signature", "fields")} | {
            "allow": frozenset(read.allow)
        }
        numbers = {"ratio": read.ratio, "count": read.count, "over": read.weight_over}
        tally: dict[str, Any] = {"mode": read.mode} | {
            name: value for name, value in numbers.items() if value is not None
        }
        if isinstance(read, data.Approver):
            tally["reject"] = read.reject
            values |= {"abstain": read.abstain, "auto": read.auto}
            values["on_reject"] = ir.OnReject(action=read.on_reject.action, to=read.on_reject.to)
        if read.skip_when is not None:
            values["skip_when"] = compile_expression(read.skip_when, self._types)
        kind: Any = node.type
        return ir.HumanNode(
            **common,
            **values,
            kind=kind,
            roster=tuple(each.compile() for each in read.assignees),
            tally=ir.Tally(**tally),
            policies=self._policies(read),
            deadlines=_deadlines(read.timeout),
            return_targets=self._return_targets(node, read),
        )

    def _policies(self, read: data.Handler) -> ir.Policies:
        drawn = self._settings
        empty = read.on_empty or drawn.on_empty
        repeat = drawn.repeat_approver if read.repeat_approver == "inherit" else read.repeat_approver
        return ir.Policies(
            self_approval=read.self_approval or drawn.self_approval,
            repeat_approver=repeat,
            pick=read.pick,
            empty=ir.Empty(action=empty.action, users=tuple(empty.users)),
        )

    def _return_targets(self, node: DrawnNode, read: data.Handler) -> tuple[str, ...]:
        """The start, and the nodes of people that every path has passed, as far as the drawing lets them be."""
        there = [name for name in self._dominators[node.id] if self._graph.nodes[name].type in {"start", *data.HUMAN}]
        if read.return_to == "any":
            return tuple(there)
        wanted = self._graph.starts if read.return_to == "start" else read.return_to
        return tuple(name for name in there if name in wanted)


def _deadlines(timeout: data.Timeout | None) -> tuple[ir.Deadline, ...]:
    if timeout is None:
        return ()
    found: list[ir.Deadline] = []
    if timeout.remind is not None:
        rule = timeout.remind
        every = read_duration(rule.every)
        found.append(
            ir.Deadline(name="remind", after_s=every, repeat=rule.max, clock=timeout.clock, urgent=rule.urgent)
        )
    if timeout.after is not None:
        to = timeout.to.compile() if timeout.to is not None else None
        found.append(
            ir.Deadline(
                name="deadline",
                after_s=read_duration(timeout.after),
                clock=timeout.clock,
                action=timeout.action,
                to=to,
            )
        )
    return tuple(found)


def _start(_c: _Compiler, _n: DrawnNode, read: data.Start, common: Mapping[str, Any]) -> ir.Node:
    return ir.StartNode(**common, fields=read.fields)


def _cc(_c: _Compiler, _n: DrawnNode, read: data.Cc, common: Mapping[str, Any]) -> ir.Node:
    recipients = tuple(each.compile() for each in read.recipients)
    return ir.CcNode(**common, recipients=recipients, when=read.when, fields=read.fields)


def _delay(_c: _Compiler, _n: DrawnNode, read: data.Delay, common: Mapping[str, Any]) -> ir.Node:
    for_s = read_duration(read.for_) if read.for_ is not None else None
    return ir.DelayNode(**common, for_s=for_s, until=read.until, clock=read.clock)


def _subflow(_c: _Compiler, _n: DrawnNode, read: data.Subflow, common: Mapping[str, Any]) -> ir.Node:
    return ir.SubflowNode(
        **common,
        **{name: getattr(read, name) for name in ("process", "wait", "starter", "map_in", "map_out")},
        version=None if read.version == "latest" else read.version,
        on_reject=ir.OnReject(action=read.on_reject.action, to=read.on_reject.to),
    )


def _end(_c: _Compiler, _n: DrawnNode, read: data.End, common: Mapping[str, Any]) -> ir.Node:
    return ir.EndNode(**common, result=read.result)


def _plugin_effect(_c: _Compiler, node: DrawnNode, read: data.Effect, common: Mapping[str, Any]) -> ir.Node:
    config = dict(read.model_extra or {})
    return ir.EffectNode(
        **common,
        **_effect_values(read),
        retries=read.retries,
        timeout_s=read.timeout_s,
        config=config,
        effect=data.effect_id(node.type),
    )


def _own_effect(_c: _Compiler, node: DrawnNode, read: data.Webhook | data.Notify, common: Mapping[str, Any]) -> ir.Node:
    values = _effect_values(read)
    if isinstance(read, data.Webhook):
        values["config"] = {name: getattr(read, name) for name in _WEBHOOK}
        values["wait_callback"] = read.wait_callback
        if read.callback_timeout is not None:
            values["callback_timeout_s"] = read_duration(read.callback_timeout)
    else:
        recipients = [each.compile().model_dump(mode="json") for each in read.recipients]
        values["config"] = {"template": read.template, "recipients": recipients}
    return ir.EffectNode(
        **common,
        **values,
        effect=node.type,
        retries=_RETRIES if read.retries is None else read.retries,
        timeout_s=_TIMEOUT_S if read.timeout_s is None else read.timeout_s,
    )


def _effect_values(read: data.Effect) -> dict[str, Any]:
    return {
        "save": read.save,
        "on_error": ir.OnError(action=read.on_error.action),
        "compensate_on_reject": read.compensate_on_reject,
    }


_MAKERS: Final[Mapping[type[data.Data], Callable[[_Compiler, DrawnNode, Any, Mapping[str, Any]], ir.Node]]] = {
    data.Start: _start,
    data.Approver: _Compiler.human,
    data.Handler: _Compiler.human,
    data.Cc: _cc,
    data.Fork: _Compiler.fork,
    data.Join: _Compiler.join,
    data.Delay: _delay,
    data.Webhook: _own_effect,
    data.Notify: _own_effect,
    data.Effect: _plugin_effect,
    data.Subflow: _subflow,
    data.End: _end,
}


def _read(model: type[DataT], raw: Any) -> DataT:
    return model.model_validate(raw)


__all__ = ["CompileError", "compile_flow"]
