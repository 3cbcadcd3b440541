"""Managers, chains of them, and heads of departments. Without a directory they find nobody, and say so."""

from collections.abc import Sequence
from uuid import UUID

from riveredge_approvals.people.resolvers.configs import ManagerChainConfig, ManagerConfig, UntilLevel, UntilRole
from riveredge_approvals.people.resolvers.places import department_for, whose
from riveredge_approvals.people.staff import TenantStaff, everyone_of
from riveredge_approvals.speech import Texts, told, told_of
from riveredge_sdk import find_service
from riveredge_sdk.features.approvals import ApproverResolver, Found, Request, mention
from riveredge_sdk.features.directory import DIRECTORY

_NO_DIRECTORY = {
    "en": "nothing here knows managers: the directory is not installed, or is switched off",
    "zh-CN": "无法查找主管：组织架构插件未安装或已停用",
}
_NO_ASSIGNEE = {
    "en": "`of: assignee` is for whoever takes over an overdue task; here nobody has one yet",
    "zh-CN": "`of: assignee` 用于超时任务的接手人，此处还没有处理人",
}
_CUT = {
    "en": "a chain of managers was cut, because the organisation goes in a circle",
    "zh-CN": "组织架构存在循环，主管链已截断",
}
_staff = TenantStaff()


def _missing(request: Request | None = None, of: str = "") -> list[Texts]:
    missing = [] if find_service(DIRECTORY) is not None else [_NO_DIRECTORY]
    if request is not None and of == "assignee" and request.assignee is None:
        missing.append(_NO_ASSIGNEE)
    return missing


def _names(users: Sequence[UUID]) -> str:
    return ", ".join(mention(user) for user in users) or "—"


class ByManager(ApproverResolver[ManagerConfig]):
    id = "approvals.manager"
    title = "Manager"
    description = "The manager of the submitter or of somebody in the form; or the manager's manager, and so on."
    config = ManagerConfig

    async def check(self, config: ManagerConfig) -> Sequence[str]:
        return [told_of(each) for each in _missing()]

    async def resolve(self, request: Request, config: ManagerConfig) -> Found:
        people, warnings, found = whose(request, config.of), _missing(request, config.of), list[UUID]()
        for user in people:
            chain = await _staff.managers(user, department_for(request, config.of))
            found += chain.users[config.level - 1 : config.level]
            warnings += [_CUT] if chain.cut and len(chain.users) < config.level else []
        level = f" (level {config.level})" if config.level > 1 else ""
        text = f"是 {_names(people)} 的" + (f"第 {config.level} 级" if config.level > 1 else "直接") + "主管"
        return Found(found, f"manager of {_names(people)}{level}", warnings, {"zh-CN": text})


class ByManagerChain(ApproverResolver[ManagerChainConfig]):
    id = "approvals.manager_chain"
    title = "Chain of managers"
    description = "One manager after the other, up to a level, to the first who holds a role, or to the top."
    config = ManagerChainConfig

    async def check(self, config: ManagerChainConfig) -> Sequence[str]:
        if isinstance(config.until, UntilRole):
            try:
                await everyone_of("role", config.until.role)
            except LookupError:
                gone = told(f"There is no role {config.until.role!r}.", f"没有角色 {config.until.role}。")
                return [*(told_of(each) for each in _missing()), gone]
        return [told_of(each) for each in _missing()]

    async def resolve(self, request: Request, config: ManagerChainConfig) -> Found:
        people, warnings = whose(request, config.of), _missing(request, config.of)
        found: dict[UUID, None] = {}
        for user in people:
            chain = await _staff.managers(user, department_for(request, config.of))
            part = await _until(chain.users, config)
            warnings += [_CUT] if chain.cut and len(part) == len(chain.users) else []
            found |= dict.fromkeys(part[: config.max])
        why = f"in the chain of managers of {_names(people)}"
        return Found(list(found), why, warnings, {"zh-CN": f"在 {_names(people)} 的逐级主管之中"})


async def _until(users: Sequence[UUID], config: ManagerChainConfig) -> Sequence[UUID]:
    if isinstance(config.until, UntilLevel):
        return users[: config.until.level]
    if isinstance(config.until, UntilRole):
        holders = set(await everyone_of("role", config.until.role))
        last = next((place for place, user in enumerate(users) if user in holders), len(users))
        return users[: last + 1]
    return users


class ByDepartmentHead(ApproverResolver[ManagerConfig]):
    id = "approvals.department_head"
    title = "Head of the department"
    description = "Who leads the department; level 2 is the department above it, and so on."
    config = ManagerConfig

    async def check(self, config: ManagerConfig) -> Sequence[str]:
        return [told_of(each) for each in _missing()]

    async def resolve(self, request: Request, config: ManagerConfig) -> Found:
        people, found = whose(request, config.of), dict[UUID, None]()
        for user in people:
            heads = await _staff.heads(user, department_for(request, config.of), config.level - 1)
            found |= dict.fromkeys(heads or ())
        level = f" (level {config.level})" if config.level > 1 else ""
        text = f"是 {_names(people)} 所在部门" + (f"上溯第 {config.level} 级" if config.level > 1 else "") + "的负责人"
        why = f"head of the department of {_names(people)}{level}"
        return Found(list(found), why, _missing(request, config.of), {"zh-CN": text})
