"""Whom the request itself names: its submitter, whom people have chosen, its form, and who decided before."""

from collections.abc import Sequence
from uuid import UUID

from riveredge_approvals.people.resolvers.configs import (
    FieldConfig,
    InitiatorChoiceConfig,
    NodeConfig,
    Nothing,
    PreviousChoiceConfig,
)
from riveredge_approvals.people.resolvers.places import form_value, users_in
from riveredge_approvals.people.staff import TenantStaff
from riveredge_sdk import find_service
from riveredge_sdk.features.approvals import ApproverResolver, Found, Request, mention
from riveredge_sdk.features.directory import DIRECTORY


class ByInitiator(ApproverResolver[Nothing]):
    id = "approvals.initiator"
    title = "Submitter"
    description = "Whose request it is."
    config = Nothing

    async def resolve(self, request: Request, config: Nothing) -> Found:
        return Found([request.submitter], "submitted the request", texts={"zh-CN": "是申请的提交人"})


class ByInitiatorChoice(ApproverResolver[InitiatorChoiceConfig]):
    id = "approvals.initiator_choice"
    title = "Chosen by the submitter"
    description = "The submitter says who decides."
    config = InitiatorChoiceConfig

    async def resolve(self, request: Request, config: InitiatorChoiceConfig) -> Found:
        chosen = await _chosen(request, config)
        why, text = f"chosen by {mention(request.submitter)}", f"由 {mention(request.submitter)} 选定"
        return Found(chosen, why, texts={"zh-CN": text})


class ByPreviousChoice(ApproverResolver[PreviousChoiceConfig]):
    id = "approvals.previous_choice"
    title = "Chosen by an approver before"
    description = "Who decides on an earlier node says who decides here."
    config = PreviousChoiceConfig

    async def resolve(self, request: Request, config: PreviousChoiceConfig) -> Found:
        users = await _chosen(request, config)
        deciders = request.decided.get(config.node, ())
        names = ", ".join(mention(user) for user in deciders) or config.node
        return Found(users, f"chosen by {names}", texts={"zh-CN": f"由 {names} 选定"})


async def _chosen(request: Request, config: InitiatorChoiceConfig) -> Sequence[UUID]:
    chosen = list(dict.fromkeys(request.choices.get(request.node or "", ())))
    if config.among:
        # Who has left a role since is not asked, whoever has chosen them.
        allowed = {user for who in config.among for user in await TenantStaff().members(who)}
        chosen = [user for user in chosen if user in allowed]
    return chosen[: config.max]


class ByFormUser(ApproverResolver[FieldConfig]):
    id = "approvals.form_user"
    title = "Person in the form"
    description = "Whom a field of the form names."
    config = FieldConfig

    async def resolve(self, request: Request, config: FieldConfig) -> Found:
        users = users_in(request, config.field)
        name = config.field.removeprefix("form.")
        return Found(users, f"named in the field {name}", texts={"zh-CN": f"由表单字段 {name} 指定"})


class ByFormDepartmentHead(ApproverResolver[FieldConfig]):
    id = "approvals.form_department_head"
    title = "Head of a department in the form"
    description = "Who leads the department that a field of the form names."
    config = FieldConfig

    async def resolve(self, request: Request, config: FieldConfig) -> Found:
        name = config.field.removeprefix("form.")
        why, texts = f"head of the department in the field {name}", {"zh-CN": f"是表单字段 {name} 中部门的负责人"}
        directory = find_service(DIRECTORY)
        if directory is None:
            missing = {"en": "nothing here knows departments", "zh-CN": "没有管理部门的插件"}
            return Found((), why, [missing], texts)
        value = form_value(request, config.field)
        found: dict[UUID, None] = {}
        for each in value if isinstance(value, list) else [value] if value else []:
            found |= dict.fromkeys(await directory.heads(str(each)))
        return Found(list(found), why, texts=texts)


class BySameAs(ApproverResolver[NodeConfig]):
    id = "approvals.same_as"
    title = "Who decided before"
    description = "Those who decided on another node."
    config = NodeConfig

    async def resolve(self, request: Request, config: NodeConfig) -> Found:
        users = list(dict.fromkeys(request.decided.get(config.node, ())))
        return Found(users, f"decided on {config.node}", texts={"zh-CN": f"在节点 {config.node} 做过决定"})
