"""The rules of behaviour: returns, times, templates, and rights to fields."""

import re
from datetime import datetime

from riveredge_approvals.drawing import nodes as data
from riveredge_approvals.drawing.durations import read_duration
from riveredge_approvals.drawing.validating.subject import Subject
from riveredge_approvals.instances.serials import check_pattern
from riveredge_approvals.instances.titles import TITLE_NAMES

_NAMED = re.compile(r"\{([^{}]*)\}")


def check_behaviour(subject: Subject) -> None:
    """All of them."""
    _check_settings(subject)
    for name, read in subject.data.items():
        _check_rights(subject, name, read)
        if isinstance(read, data.Handler):
            _check_returns(subject, name, read)
            _check_timeout(subject, name, read.timeout)
        elif isinstance(read, data.Delay):
            _check_delay(subject, name, read)
        elif isinstance(read, data.Subflow):
            _check_reject(subject, name, read.on_reject)


def _check_settings(subject: Subject) -> None:
    settings = subject.settings
    for field in settings.summary:
        subject.check_field(field)
    for found in _NAMED.findall(settings.title):
        if found not in TITLE_NAMES | {f"form.{field}" for field in subject.properties}:
            subject.add("badTemplate", path="settings.title", reason=f"{{{found}}}")
    try:
        check_pattern(settings.serial, subject.catalog.process)
    except ValueError as error:
        subject.add("badTemplate", path="settings.serial", reason=str(error))


def _check_rights(subject: Subject, name: str, read: data.Data) -> None:
    if not isinstance(read, data.Start | data.Handler | data.Cc):
        return
    rights = read.fields
    for field in rights:
        if field != "*" and field not in subject.properties:
            subject.add("badFieldPermission", node=name, field=field)
    required = subject.form.get("required") if isinstance(read, data.Start) else None
    for field in required if isinstance(required, list) else ():
        rule = subject.properties.get(field)
        filled = isinstance(rule, dict) and "default" in rule
        if not filled and rights.get(field, rights.get("*", "edit")) != "edit":
            subject.add("requiredFieldHidden", node=name, field=field)


def _check_returns(subject: Subject, name: str, read: data.Handler) -> None:
    if isinstance(read, data.Approver):
        _check_reject(subject, name, read.on_reject)
    for target in read.return_to if isinstance(read.return_to, list) else ():
        _check_target(subject, name, target)


def _check_reject(subject: Subject, name: str, rule: data.OnReject) -> None:
    if rule.action == "return":
        _check_target(subject, name, rule.to or "")


def _check_target(subject: Subject, name: str, target: str) -> None:
    if name not in subject.dominators:
        return
    there = target in subject.dominators[name]
    if not there or not (subject.is_human(target) or target in subject.graph.starts):
        subject.add("badReturnTarget", node=name, id=target)
    elif len(subject.blocks.regions[target]) < len(subject.blocks.regions[name]):
        subject.add("returnLeavesRegion", node=name, id=target)


def _check_timeout(subject: Subject, name: str, timeout: data.Timeout | None) -> None:
    if timeout is None:
        return
    if timeout.after is None and timeout.action != "none":
        subject.add("badDuration", node=name, value="timeout.after")
    for text in (timeout.after, timeout.remind.every if timeout.remind is not None else None):
        check_duration(subject, name, text)
    # Where nothing is done, people are told that the time is over, unless the process sends no such messages.
    told = timeout.after is not None and subject.settings.notify.get("overdue") is not False
    if timeout.action == "none" and timeout.remind is None and not told:
        subject.add("timeoutWithoutAction", node=name)
    if timeout.action in {"transfer", "escalate"} and timeout.to is None:
        subject.add("escalateWithoutTarget", node=name)


def check_duration(subject: Subject, name: str, text: str | None) -> None:
    """Note it if it is none."""
    try:
        if text is not None:
            read_duration(text)
    except ValueError:
        subject.add("badDuration", node=name, value=text)


def _check_delay(subject: Subject, name: str, read: data.Delay) -> None:
    check_duration(subject, name, read.for_)
    if (read.for_ is None) == (read.until is None):
        subject.add("badDuration", node=name, value="for, until")
    elif read.until is not None and read.until.startswith("form."):
        subject.check_field(read.until, node=name)
        kind = subject.types.get(read.until)
        if kind not in {None, "date", "datetime"}:
            subject.add("typeMismatch", node=name, field=read.until, type=kind, op="until")
    elif read.until is not None:
        try:
            datetime.fromisoformat(read.until)
        except ValueError:
            subject.add("badDuration", node=name, value=read.until)
