"""The rules of what is called outside: other systems, messages, other processes, and what plugins bring."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from riveredge_approvals.drawing import nodes as data
from riveredge_approvals.drawing.validating.behaviour import check_duration
from riveredge_approvals.drawing.validating.catalog import config_key
from riveredge_approvals.drawing.validating.subject import Subject
from riveredge_approvals.effects.filling import NAMES, names_in

_WORDS = r"(passw(or)?d|passphrase|secret|token|api[-_]?key|authorization|credentials?|private[-_]?key)"
_SECRET_NAME = re.compile(rf"(?i)(^|[._-]){_WORDS}$")
_SECRET_VALUE = re.compile(r"(?i)^(bearer|basic)\s+[^\s{]{8,}|^sk-[\w-]{16,}|^eyJ[\w-]{10,}\.|^-----BEGIN ")
_SECRET_PARAMETER = re.compile(rf"(?i)[?&]([\w-]*[_-])?{_WORDS}=[^&{{]{{4,}}")


def check_outside(subject: Subject) -> None:
    """All of them."""
    for template in subject.settings.notify.values():
        _check_template(subject, None, template or None)
    for name, read in subject.data.items():
        if isinstance(read, data.Subflow):
            _check_subflow(subject, name, read)
        elif isinstance(read, data.Effect):
            _check_effect(subject, name, read)


def _check_effect(subject: Subject, name: str, read: data.Effect) -> None:
    for field in read.save:
        subject.check_field(field, node=name)
    if isinstance(read, data.Webhook):
        _check_webhook(subject, name, read)
    elif isinstance(read, data.Notify):
        _check_template(subject, name, read.template)
    else:
        effect = data.effect_id(subject.graph.nodes[name].type)
        if subject.catalog.effects is not None and effect not in subject.catalog.effects:
            subject.add("pluginMissing", node=name, id=effect.partition(".")[0], effect=effect)
        for reason in subject.catalog.refused.get(config_key(effect, read.model_extra or {}), ()):
            subject.add("badData", node=name, path="data", reason=reason)


def _check_webhook(subject: Subject, name: str, read: data.Webhook) -> None:
    if subject.catalog.connections is not None and read.connection not in subject.catalog.connections:
        subject.add("unknownConnection", node=name, id=read.connection)
    if read.wait_callback and read.callback_timeout is None:
        subject.add("callbackWithoutTimeout", node=name)
    check_duration(subject, name, read.callback_timeout)
    fields = {f"form.{field}" for field in subject.properties}
    for path, text in _texts("", {"path": read.path, "headers": read.headers, "body": read.body}):
        said = _SECRET_NAME.search(path) and text and "{" not in text
        if said or _SECRET_VALUE.search(text) or (path == "path" and _SECRET_PARAMETER.search(text)):
            subject.add("secretInBody", node=name, path=path)
        for used in names_in(text):
            if used not in NAMES and used not in fields:
                subject.add("badTemplate", node=name, path=path, reason=f"{{{{ {used} }}}}")


def _texts(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping | list):
        parts = value.items() if isinstance(value, Mapping) else enumerate(value)
        for name, part in parts:
            yield from _texts(f"{path}.{name}" if path else str(name), part)


def _check_template(subject: Subject, name: str | None, template: str | None) -> None:
    known = subject.catalog.templates
    if template is not None and known is not None and template not in known:
        subject.add("unknownTemplate", node=name, id=template)


def _check_subflow(subject: Subject, name: str, read: data.Subflow) -> None:
    for field in (*read.map_in.values(), read.starter):
        if field.startswith("form."):
            subject.check_field(field, node=name)
    for field in read.map_out:
        subject.check_field(field, node=name)
    known = subject.catalog.processes
    if known is None:
        return
    found = known.get(read.process)
    if read.process == subject.catalog.process or _calls(subject, read.process):
        subject.add("subflowCycle", node=name, id=read.process)
    elif found is None:
        subject.add("subflowMissing", node=name, id=read.process)
    elif not found.published or (isinstance(read.version, int) and read.version > found.last_version):
        subject.add("subflowNotPublished", node=name, id=read.process)


def _calls(subject: Subject, process: str) -> bool:
    """Whether a process calls the one under validation, directly or by others."""
    known = subject.catalog.processes or {}
    pending, seen = [process], {process}
    while pending:
        each = pending.pop()
        if each == subject.catalog.process:
            return True
        further = set(known[each].calls) - seen if each in known else set()
        seen |= further
        pending += further
    return False
