"""The sentences of validation."""

from collections.abc import Mapping
from typing import Any

from riveredge_approvals.speech import in_language

# By code: English, Chinese. The words in braces are the details of an issue.
TEXTS: Mapping[str, tuple[str, str]] = {
    # Graph
    "noStart": ("There is no start node: add one.", "缺少开始节点，请添加。"),
    "manyStarts": ("There is more than one start node: keep one.", "存在多个开始节点，请只保留一个。"),
    "noEnd": ("There is no end node: add one.", "缺少结束节点，请添加。"),
    "duplicateId": ("The id {id} is used twice.", "标识 {id} 重复使用。"),
    "danglingEdge": ("The edge leads from or to the node {id}, which is not there.", "连线引用了不存在的节点 {id}。"),
    "selfLoop": ("The edge leads back to its own node.", "连线指向节点自身。"),
    "duplicateEdge": ("The edge {other} is the same.", "与连线 {other} 重复。"),
    "unreachable": ("No way from the start leads here.", "从开始节点无法到达此节点。"),
    "deadEnd": ("No way leads on from here: connect it to the next node.", "此节点之后没有路径，请连接下一个节点。"),
    "cycle": (
        "The nodes {nodes} form a circle. Going back is done with “return”, not with an edge.",
        "节点 {nodes} 形成循环。退回请使用“退回”操作，不要画回线。",
    ),
    "manyOutputs": (
        "More than one edge leaves this node: put a condition or a parallel node behind it.",
        "此节点有多条出线，请在其后添加条件或并行节点。",
    ),
    "tooFewBranches": ("It needs at least two branches.", "至少需要两个分支。"),
    "edgeFromEnd": ("An edge leaves an end node.", "结束节点不能有出线。"),
    "edgeIntoStart": ("An edge leads into the start node.", "开始节点不能有入线。"),
    "noJoin": ("Its branches do not meet: add a join behind them.", "分支没有汇合，请在其后添加汇合节点。"),
    "manyJoins": ("Its branches meet in several joins: {joins}.", "分支汇合到多个汇合节点：{joins}。"),
    "joinWithoutFork": ("No parallel branches come together here.", "此汇合节点没有对应的并行分支。"),
    "crossesRegion": (
        "Edges from inside and outside of parallel branches meet here: use the join of the branches.",
        "并行分支内外的连线在此相遇，请通过对应的汇合节点连接。",
    ),
    "endInsideParallel": (
        "A parallel branch of {fork} ends here without its join.",
        "并行分支 {fork} 未经汇合就结束。",
    ),
    "unknownHandle": ("The node has no exit {handle}.", "节点没有出口 {handle}。"),
    "missingExit": (
        "It is to leave by the exit {handle}, where no edge begins.",
        "设置了从出口 {handle} 离开，但没有对应连线。",
    ),
    "unusedExit": (
        "Nothing leaves by the exit {handle}: choose “edge” for it.",
        "出口 {handle} 不会被使用，请将其动作设为“连线”。",
    ),
    "unknownType": ("There is no type of node {type}.", "没有节点类型 {type}。"),
    "badParent": ("Its parent {parent} is not there, or within itself.", "父节点 {parent} 不存在或嵌套自身。"),
    "tooManyNodes": (
        "It has {count} nodes, or edges; {limit} are allowed.",
        "节点或连线共有 {count} 个，最多 {limit} 个。",
    ),
    "tooDeep": ("Parallel branches nest {count} deep; {limit} are allowed.", "并行嵌套 {count} 层，最多 {limit} 层。"),
    # Branches
    "noDefault": ("No branch is for everything else: mark one as default.", "缺少默认分支，请指定一个。"),
    "manyDefaults": ("Several branches are for everything else: keep one.", "存在多个默认分支，请只保留一个。"),
    "noExpr": ("The branch has no condition.", "分支缺少条件。"),
    "badExpr": ("The condition cannot be read: {reason}", "条件无法解析：{reason}"),
    "unknownField": ("There is no field {field}.", "没有字段 {field}。"),
    "typeMismatch": (
        "{field} is of the type {type}, which does not fit {op} with this value.",
        "{field} 的类型为 {type}，与 {op} 及其值不匹配。",
    ),
    "orderGap": ("The branches are not numbered 1, 2, 3, …: {orders}.", "分支顺序不是 1、2、3……：{orders}。"),
    "alwaysTrue": ("The condition always holds.", "条件恒成立。"),
    "neverTrue": ("The condition never holds.", "条件永远不成立。"),
    "overlappingRanges": (
        "Values of {field} fit the branch {other}, too, which comes first.",
        "{field} 的取值也符合更靠前的分支 {other}。",
    ),
    "emptyBranch": ("The branch has no node.", "分支中没有节点。"),
    # People
    "noAssignee": ("Nobody is named.", "未指定人员。"),
    "unknownUser": ("{id} is no member of the organisation.", "{id} 不是组织成员。"),
    "inactiveUser": ("{id} is not active any more.", "{id} 已停用。"),
    "unknownRole": ("There is no role {id}.", "没有角色 {id}。"),
    "emptyRole": ("Nobody has the role {id}.", "角色 {id} 没有成员。"),
    "unknownDepartment": ("There is no department {id}.", "没有部门 {id}。"),
    "unknownGroup": ("There is no group {id}.", "没有用户组 {id}。"),
    "unknownResolver": ("There is no resolver {id}; is its plugin on?", "没有人员规则 {id}，其插件是否启用？"),
    "badResolverConfig": ("{id}: {reason}", "{id}：{reason}"),
    "choiceOnFirstNode": ("Nobody decides before it, so nobody can choose.", "之前没有审批人，无人可选择。"),
    "badNodeRef": ("{id} is no node of people that has been passed before.", "{id} 不是此前经过的人工节点。"),
    "ratioRange": (
        "The mode needs a share of 1 to 100 percent, or a count of 1 and more.",
        "比例须为 1 到 100，人数须不小于 1。",
    ),
    "countExceedsRoster": (
        "{count} approvals are wanted, of {people} people.",
        "要求 {count} 人通过，但只有 {people} 人。",
    ),
    "weightMissing": ("Say which weight the approvals have to exceed.", "请填写通过所需的权重。"),
    "autoApproveOnEmpty": ("Where nobody is found, it counts as approved.", "找不到审批人时将自动通过。"),
    "selfApprovalLoop": (
        "The initiator is named, and may not decide by the rule {policy}.",
        "指定了发起人，但按规则 {policy} 发起人不能审批。",
    ),
    # Behaviour
    "badReturnTarget": (
        "{id} is no start or node of people that every way here has passed.",
        "{id} 不是必经的开始或人工节点。",
    ),
    "returnLeavesRegion": (
        "Returning to {id} cancels the other parallel branches.",
        "退回到 {id} 会取消其他并行分支。",
    ),
    "badDuration": (
        "{value} is no duration such as PT8H or P2D, and no instant.",
        "{value} 不是有效的时长（如 PT8H、P2D）或时间。",
    ),
    "timeoutWithoutAction": ("When the time is over, nothing is done: choose an action.", "超时后没有动作，请选择。"),
    "escalateWithoutTarget": ("Say to whom it goes when the time is over.", "请指定超时后转给谁。"),
    "callbackWithoutTimeout": ("Say how long to wait for the call back (callback_timeout).", "请设置回调等待时长。"),
    "unknownConnection": ("There is no connection {id}.", "没有连接 {id}。"),
    "secretInBody": (
        "{path} seems to hold a secret: keep it in the connection.",
        "{path} 疑似包含密钥，请保存在连接中。",
    ),
    "badTemplate": ("{path} cannot be filled in: {reason}", "{path} 模板有误：{reason}"),
    "unknownTemplate": ("There is no message template {id}.", "没有消息模板 {id}。"),
    "badFieldPermission": ("{field} is no field of the form.", "{field} 不是表单字段。"),
    "requiredFieldHidden": (
        "{field} is required, and cannot be filled in at the start.",
        "{field} 为必填，但在开始节点不可填写。",
    ),
    "subflowMissing": ("There is no process {id}.", "没有流程 {id}。"),
    "subflowCycle": (
        "The process {id} calls this one, which would go on forever.",
        "流程 {id} 又调用本流程，会无限循环。",
    ),
    "subflowNotPublished": ("The process {id} is not published.", "流程 {id} 未发布。"),
    "pluginMissing": (
        "The plugin {id} is not there, or off, or brings no {effect}.",
        "插件 {id} 不存在、未启用或没有 {effect}。",
    ),
    # Document
    "badSchema": ("{path}: {reason}", "{path}：{reason}"),
    "badData": ("{path}: {reason}", "{path}：{reason}"),
    "tooLarge": ("It is larger than 512 KB.", "超过 512 KB。"),
    "staleRevision": ("Somebody has saved it meanwhile.", "已被他人保存，请刷新。"),
    "checksumUnchanged": ("It does the same as the published version {version}.", "与已发布的版本 {version} 相同。"),
}


class _Known(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "?"


def sentence(code: str, locale: str, details: Mapping[str, Any]) -> str:
    """The sentence of a code."""
    english, chinese = TEXTS[code]
    template = in_language({"en": english, "zh-CN": chinese}, locale)
    return template.format_map(_Known({name: _shown(value, locale) for name, value in details.items()}))


def _shown(value: Any, locale: str) -> Any:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return in_language(value, locale) if isinstance(value, Mapping) else value
