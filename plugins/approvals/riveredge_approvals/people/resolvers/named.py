"""Whom a drawing names: users, and the members of roles, departments and groups."""

from collections.abc import Sequence
from uuid import UUID

from riveredge_approvals.people.resolvers.configs import DepartmentConfig, RoleConfig, Value
from riveredge_approvals.people.staff import everyone_of
from riveredge_sdk import find_service, get_service
from riveredge_sdk.features.approvals import ApproverResolver, Found, Request
from riveredge_sdk.features.directory import DIRECTORY
from riveredge_sdk.features.people import PEOPLE


class ByUser(ApproverResolver[Value]):
    id = "approvals.user"
    title = "Person"
    description = "One person, always the same."
    config = Value

    async def check(self, config: Value) -> Sequence[str]:
        try:
            user = UUID(config.value)
        except ValueError:
            return [f"{config.value!r} is no id of a user."]
        found = (await get_service(PEOPLE).find([user])).get(user)
        if found is None:
            return [f"There is no member with the id {user}."]
        return [] if found.active else [f"{found.name} is no active member any more."]

    async def resolve(self, request: Request, config: Value) -> Found:
        return Found([UUID(config.value)], "named by the process", texts={"zh-CN": "流程指定"})


class ByRole(ApproverResolver[RoleConfig]):
    id = "approvals.role"
    title = "Role"
    description = "Everybody who holds a role."
    config = RoleConfig

    async def check(self, config: RoleConfig) -> Sequence[str]:
        return await _check("role", config.value)

    async def resolve(self, request: Request, config: RoleConfig) -> Found:
        users: Sequence[UUID] = await everyone_of("role", config.value)
        why, text = f"holds the role {config.value}", f"担任角色 {config.value}"
        if config.scope == "department_of_initiator":
            why, text = f"{why} in the submitting department", f"在提交部门担任角色 {config.value}"
            if request.department is None:
                return Found((), why, ["the request was submitted from no department"], {"zh-CN": text})
            there = set(await everyone_of("department", str(request.department)))
            users = [user for user in users if user in there]
        return Found(users, why, texts={"zh-CN": text})


class ByDepartment(ApproverResolver[DepartmentConfig]):
    id = "approvals.department"
    title = "Department"
    description = "Everybody of a department."
    config = DepartmentConfig

    async def check(self, config: DepartmentConfig) -> Sequence[str]:
        directory = find_service(DIRECTORY)
        if directory is None:
            return ["Nothing here knows departments: the directory is not installed, or is switched off."]
        found = await directory.department(config.value)
        return [] if found is not None else [f"There is no department {config.value!r}."]

    async def resolve(self, request: Request, config: DepartmentConfig) -> Found:
        users = await everyone_of("department", config.value, include_children=config.include_children)
        directory = find_service(DIRECTORY)
        found = await directory.department(config.value) if directory is not None else None
        name = found.name if found is not None else config.value
        return Found(users, f"belongs to {name}", texts={"zh-CN": f"属于部门 {name}"})


class ByGroup(ApproverResolver[Value]):
    id = "approvals.group"
    title = "Group"
    description = "Everybody of a group, and of the groups in it."
    config = Value

    async def check(self, config: Value) -> Sequence[str]:
        return await _check("group", config.value)

    async def resolve(self, request: Request, config: Value) -> Found:
        users = await everyone_of("group", config.value)
        return Found(users, f"belongs to the group {config.value}", texts={"zh-CN": f"属于用户组 {config.value}"})


async def _check(kind: str, value: str) -> Sequence[str]:
    try:
        await everyone_of(kind, value)
    except LookupError as error:
        sentence = str(error)
        return [f"{sentence[:1].upper()}{sentence[1:]}."]
    return []
