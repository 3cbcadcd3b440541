"""What the page behind a mail's link says."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language."""

    tag: str
    title: str
    ask: str
    number: str
    submitter: str
    node: str
    comment: str
    approve: str
    reject: str
    done: str
    thanks: str
    closed: str
    suspended: str
    reason: str
    signature: str
    states: Mapping[str, str]


_EN = Words(
    tag="en",
    title="Your decision",
    ask="{submitter} asks for your decision:",
    number="Number",
    submitter="Submitted by",
    node="Step",
    comment="Comment",
    approve="Approve",
    reject="Reject",
    done="Done",
    thanks="Thank you. Your decision has been taken: {outcome}.",
    closed="Nothing is to be decided here any more: the task is {outcome}.",
    suspended="This cannot be decided at the moment.",
    reason="Please say why.",
    signature="This decision needs a signature: please sign in.",
    states={
        "approved": "approved",
        "rejected": "rejected",
        "abstained": "abstained",
        "returned": "returned",
        "transferred": "handed on",
        "delegated": "with somebody else for an opinion",
        "closed": "closed",
        "timed_out": "overdue",
        "waiting": "not yet due",
    },
)
_ZH = Words(
    tag="zh-CN",
    title="审批",
    ask="{submitter} 的申请等待您审批：",
    number="编号",
    submitter="申请人",
    node="节点",
    comment="审批意见",
    approve="同意",
    reject="拒绝",
    done="完成",
    thanks="谢谢，您的处理结果已提交：{outcome}。",
    closed="该任务无需再处理，当前状态：{outcome}。",
    suspended="目前无法处理该任务。",
    reason="请填写意见。",
    signature="该审批需要签名，请登录后处理。",
    states={
        "approved": "已同意",
        "rejected": "已拒绝",
        "abstained": "已弃权",
        "returned": "已退回",
        "transferred": "已转交",
        "delegated": "已委派",
        "closed": "已关闭",
        "timed_out": "已超时",
        "waiting": "尚未轮到",
    },
)


def words_for(locale: str) -> Words:
    """Chinese for Chinese locales, else English."""
    return _ZH if locale.partition("-")[0].lower() == "zh" else _EN
