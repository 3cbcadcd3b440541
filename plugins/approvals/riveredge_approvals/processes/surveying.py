"""Look up what a drawing names: people and roles, rules and effects of plugins, connections, other processes."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import structlog
from pydantic import BaseModel, ValidationError
from sqlmodel import col, select

from riveredge_approvals.drawing.validating import Catalog, Configured, Names, OtherProcess
from riveredge_approvals.effects.kinds import OWN as OWN_EFFECTS
from riveredge_approvals.effects.kinds import find_node
from riveredge_approvals.models import Connection, Process, ProcessVersion
from riveredge_approvals.people.resolvers.registry import all_resolvers, find_resolver
from riveredge_approvals.speech import texts_of_flaw, told, told_of
from riveredge_sdk import Plugin, contributions, find_service, get_service, savepoint, session
from riveredge_sdk.features.approvals import ApprovalNode, ApproverResolver
from riveredge_sdk.features.directory import DIRECTORY
from riveredge_sdk.features.messaging import NOTIFIER
from riveredge_sdk.features.people import GROUPS, PEOPLE

log = structlog.get_logger(__name__)
# Validation looks these up by itself.
_LOOKED_UP: Final = frozenset({"user", "role", "department", "group"})


async def survey(process: str, names: Names) -> Catalog:
    """What there is of these names, for the current tenant: a query or two for each kind, however many names.

    Args:
        process: the key of the process that names them.
    """
    return Catalog(
        process=process,
        users=await _users(names.users),
        roles=await get_service(PEOPLE).roles(names.roles),
        departments=await _departments(names.departments),
        groups=await _groups(names.groups),
        resolvers=frozenset(all_resolvers()),
        effects=frozenset({*OWN_EFFECTS, *(each.id for each in contributions(Plugin.approval_nodes))}),
        refused=await _refused(names),
        connections=await _connections(names.connections),
        templates=await _templates(names.templates),
        processes=await _processes(names.processes),
    )


async def _users(users: Collection[str]) -> dict[str, bool]:
    ids = {text: found for text in users if (found := _uuid(text)) is not None}
    people = await get_service(PEOPLE).find(list(ids.values())) if ids else {}
    return {text: people[user].active for text, user in ids.items() if user in people}


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


async def _departments(departments: Collection[str]) -> frozenset[str]:
    directory = find_service(DIRECTORY)
    return frozenset(await directory.departments(departments)) if directory is not None else frozenset()


async def _groups(names: Collection[str]) -> frozenset[str]:
    groups = find_service(GROUPS)
    return await groups.known(names) if groups is not None else frozenset()


async def _connections(keys: Collection[str]) -> frozenset[str]:
    if not keys:
        return frozenset()
    return frozenset((await session().exec(select(Connection.key).where(col(Connection.key).in_(keys)))).all())


async def _templates(keys: Collection[str]) -> frozenset[str]:
    notifier = find_service(NOTIFIER)
    return await notifier.templates(keys) if notifier is not None else frozenset()


async def _processes(keys: Collection[str]) -> dict[str, OtherProcess]:
    """The processes with these keys, and those that they call."""
    found: dict[str, OtherProcess] = {}
    wanted = set(keys)
    while wanted:
        query = select(Process.key, Process.last_version, Process.archived_at, ProcessVersion.compiled).outerjoin(
            ProcessVersion,
            (col(ProcessVersion.process_id) == col(Process.id))
            & (col(ProcessVersion.number) == col(Process.published)),
        )
        rows = (await session().exec(query.where(col(Process.key).in_(wanted)))).all()
        wanted = set()
        for key, last, archived, compiled in rows:
            # The version is missing, against what the types say, where nothing was published.
            needs: Mapping[str, Any] = (compiled or {}).get("needs", {})
            calls = tuple(needs.get("processes", ()))
            found[key] = OtherProcess(published=bool(compiled) and archived is None, last_version=last, calls=calls)
            wanted.update(calls)
        wanted -= found.keys()
    return found


async def _refused(names: Names) -> dict[str, Sequence[str]]:
    """What is wrong with configurations, by their keys."""
    found: dict[str, Sequence[str]] = {}
    for key, rule in names.rules.items():
        resolver = find_resolver(rule.id)
        if resolver is not None and not _is_looked_up(rule):
            found[key] = await _check(resolver, rule.config)
    for key, effect in names.effects.items():
        node = find_node(effect.id)
        if node is not None:
            found[key] = await _check(node, effect.config)
    return {key: reasons for key, reasons in found.items() if reasons}


def _is_looked_up(rule: Configured) -> bool:
    if rule.id == "manager_chain" and find_service(DIRECTORY) is not None:
        return True
    return rule.id in _LOOKED_UP


async def _check(contribution: ApproverResolver[Any] | ApprovalNode[Any], config: Mapping[str, Any]) -> Sequence[str]:
    """What a contribution says of a configuration, in sentences."""
    model: type[BaseModel] = contribution.config
    try:
        read = model.model_validate(dict(config))
    except ValidationError as error:
        flaws = [(".".join(map(str, each["loc"])) or "data", each["type"], each["msg"]) for each in error.errors()[:5]]
        return [f"{where}: {told_of(texts_of_flaw(code, message))}" for where, code, message in flaws]
    try:
        async with savepoint():
            return list(await contribution.check(read))
    except Exception as error:
        # A check that fails must not keep the others from being told.
        log.exception("a check of a drawing failed", contribution=contribution.id)
        name = type(error).__name__
        return [told(f"It could not be checked: {name}.", f"未能检查：{name}。")]
