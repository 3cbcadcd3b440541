"""The messages of approvals, in English and Chinese: for the inbox with buttons, as mails with HTML.

Each has the variables of `COMMON`; an organisation's own templates, which a process may name instead, get the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from riveredge_sdk.features.message_categories import MessageCategory
from riveredge_sdk.features.messaging import MessageTemplateSpec, TemplateAction, TemplateText

Kind = Literal[
    "started", "assigned", "reminded", "overdue", "decided", "finished", "returned", "cc", "mention", "incident"
]

TASKS = MessageCategory(
    id="approvals.tasks",
    title="Approvals: what waits for me",
    description="Requests that somebody is to decide on, and reminders of them.",
    kind="transactional",
)
URGENT = MessageCategory(
    id="approvals.urgent",
    title="Approvals: urgent reminders",
    description="Reminders that are not held by quiet hours: urges, deadlines that have passed, and incidents.",
    kind="critical",
)
REQUESTS = MessageCategory(
    id="approvals.requests",
    title="Approvals: how requests stand",
    description="What became of one's own requests, copies and comments.",
)
CATEGORIES = (TASKS, URGENT, REQUESTS)

_TEXT = {"type": "string"}
_MAYBE = {"type": ["string", "null"]}
COMMON: Mapping[str, Any] = {
    "title": {"type": "string", "description": "The request's title."},
    "number": {"type": "string", "description": "Its serial number."},
    "process": {"type": "string", "description": "The key of its process."},
    "submitter": {"type": "string", "description": "The name of whose request it is."},
    "summary": {
        "type": "array",
        "description": "The fields that the process shows: label and value.",
        "items": {"type": "object", "required": ["label", "value"]},
    },
    "link": {"type": "string", "description": "Its page, as a path of the console."},
    "url": {"type": "string", "description": "Its page, as an address for mails."},
    "node": {"type": ["string", "null"], "description": "The label of where it stands."},
}
_SAMPLE: Mapping[str, Any] = {
    "title": "A new laptop",
    "number": "AP-2026-000123",
    "process": "purchase",
    "submitter": "Li Lei",
    "summary": [{"label": "Amount", "value": "1200.00"}],
    "link": "/approvals/instances/0199",
    "url": "https://example.com/apps/console/approvals/instances/0199",
    "node": "Head of department",
    "due_at": "2026-12-01T09:00:00+00:00",
    "decide_url": None,
    "count": 1,
    "by": "Han Meimei",
    "text": "Why so many?",
    "comment": "Fine.",
    "outcome": "approved",
}
_OUTCOMES = {
    "en": {
        "approved": "approved",
        "rejected": "rejected",
        "returned": "returned",
        "withdrawn": "withdrawn",
        "terminated": "terminated",
        "revoked": "revoked",
    },
    "zh": {
        "approved": "已通过",
        "rejected": "已拒绝",
        "returned": "已退回",
        "withdrawn": "已撤回",
        "terminated": "已终止",
        "revoked": "已撤销",
    },
}


@dataclass(frozen=True, slots=True)
class _Words:
    """What one language says around the texts of each template."""

    open: str
    decide: str
    submitter: str
    number: str
    due: str


_WORDS = {
    "en": _Words("Open", "Decide from this mail", "Submitted by", "Number", "Due"),
    "zh-CN": _Words("查看", "在邮件中审批", "申请人", "编号", "截止时间"),
}


def _outcome(language: str) -> str:
    """The word for `outcome`, as a template: readers see no codes."""
    words = _OUTCOMES[language]
    tests = "".join(f'{{% elif outcome == "{code}" %}}{word}' for code, word in words.items())
    return tests.replace("elif", "if", 1) + "{% else %}{{ outcome }}{% endif %}"


_DUE = "{% if due_at is not none %}"


def _text(language: str, subject: str, lead: str, quote: str | None, decides: bool) -> TemplateText:
    words = _WORDS[language]
    rows = "{% for line in summary %}"
    said = f"{{% if {quote} %}}\n\n{{{{ {quote} }}}}{{% endif %}}" if quote else ""
    due = f"{_DUE}\n{words.due}: {{{{ due_at|datetime }}}}{{% endif %}}" if decides else ""
    text = (
        f"{lead}{said}\n\n{words.number}: {{{{ number }}}}\n{words.submitter}: {{{{ submitter }}}}{due}"
        f"{rows}\n{{{{ line.label }}}}: {{{{ line.value }}}}{{% endfor %}}\n\n{words.open}: {{{{ url }}}}\n"
    )
    cell = '<tr><th align="left">{}</th><td>{}</td></tr>'.format
    html = (
        f"<p>{lead}</p>"
        + (f"{{% if {quote} %}}<blockquote>{{{{ {quote} }}}}</blockquote>{{% endif %}}" if quote else "")
        + "<table>"
        + cell(words.number, "{{ number }}")
        + cell(words.submitter, "{{ submitter }}")
        + (_DUE + cell(words.due, "{{ due_at|datetime }}") + "{% endif %}" if decides else "")
        + rows
        + cell("{{ line.label }}", "{{ line.value }}")
        + "{% endfor %}</table>"
        + f'<p><a href="{{{{ url }}}}">{words.open}</a></p>'
    )
    if decides:
        text += f"{{% if decide_url is not none %}}{words.decide}: {{{{ decide_url }}}}\n{{% endif %}}"
        html += (
            "{% if decide_url is not none %}"
            f'<p><a href="{{{{ decide_url }}}}"><strong>{words.decide}</strong></a></p>{{% endif %}}'
        )
    return TemplateText(
        subject=subject,
        text=text,
        html=html,
        link="{{ link }}",
        actions=(TemplateAction(id="open", label=words.open, style="primary", link="{{ link }}"),),
        tags=("approvals",),
    )


def _template(
    name: Kind,
    title: str,
    en: tuple[str, str],
    zh: tuple[str, str],
    *,
    category: MessageCategory = REQUESTS,
    fields: Mapping[str, Any] = {},
    quote: str | None = None,
) -> MessageTemplateSpec:
    """One template from its subjects and leads. `quote` is the variable that is quoted below the lead."""
    decides = "decide_url" in fields
    variables = {**COMMON, **fields}
    return MessageTemplateSpec(
        id=f"approvals.{name}",
        title=title,
        category=category.id,
        variables={"type": "object", "properties": variables, "required": sorted(variables)},
        sample={field: _SAMPLE[field] for field in variables},
        texts={"en": _text("en", *en, quote, decides), "zh-CN": _text("zh-CN", *zh, quote, decides)},
    )


_ASKED = {"due_at": {"type": ["string", "null"], "format": "date-time"}, "decide_url": _MAYBE}
_DECIDED = {"outcome": _TEXT, "by": _TEXT, "comment": _TEXT}

TEMPLATES = (
    _template(
        "started",
        "A request was submitted",
        ("Submitted: {{ title }}", "Your request {{ title }} is on its way."),
        ("已提交：{{ title }}", "您的申请“{{ title }}”已提交。"),
    ),
    _template(
        "assigned",
        "Somebody is asked to decide",
        ("Please decide: {{ title }}", "{{ submitter }} asks for your decision on {{ title }}."),
        ("待审批：{{ title }}", "{{ submitter }} 提交的“{{ title }}”等待您审批。"),
        category=TASKS,
        fields=_ASKED,
    ),
    _template(
        "reminded",
        "A decision is still awaited",
        ("Reminder {{ count }}: {{ title }}", "{{ title }} still waits for your decision."),
        ("第 {{ count }} 次提醒：{{ title }}", "“{{ title }}”仍在等待您审批。"),
        category=TASKS,
        fields={**_ASKED, "count": {"type": "integer"}, "by": _MAYBE, "text": _TEXT},
        quote="text",
    ),
    _template(
        "overdue",
        "A deadline has passed",
        ("Overdue: {{ title }}", "The time to decide on {{ title }} is over."),
        ("已超时：{{ title }}", "“{{ title }}”的审批已超时。"),
        category=URGENT,
        fields=_ASKED,
    ),
    _template(
        "decided",
        "Somebody has decided on a request",
        (f"{_outcome('en')}: {{{{ title }}}}", "{{ by }} has decided on {{ title }}: " + _outcome("en") + "."),
        (f"{_outcome('zh')}：{{{{ title }}}}", "{{ by }} 处理了“{{ title }}”：" + _outcome("zh") + "。"),
        fields=_DECIDED,
        quote="comment",
    ),
    _template(
        "finished",
        "A request has come to its end",
        (f"{_outcome('en')}: {{{{ title }}}}", "Your request {{ title }} has been " + _outcome("en") + "."),
        (f"{_outcome('zh')}：{{{{ title }}}}", "您的申请“{{ title }}”" + _outcome("zh") + "。"),
        fields={"outcome": _TEXT, "comment": _TEXT},
        quote="comment",
    ),
    _template(
        "returned",
        "A request came back",
        ("Returned to you: {{ title }}", "{{ by }} has returned {{ title }} to you. Change it and submit it again."),
        ("已退回：{{ title }}", "{{ by }} 将“{{ title }}”退回给您，请修改后重新提交。"),
        category=TASKS,
        fields={"by": _TEXT, "comment": _TEXT},
        quote="comment",
    ),
    _template(
        "cc",
        "Somebody is to know of a request",
        ("For your information: {{ title }}", "{{ title }} of {{ submitter }} is copied to you."),
        ("抄送：{{ title }}", "{{ submitter }} 的“{{ title }}”抄送给您。"),
    ),
    _template(
        "mention",
        "Somebody was mentioned in a comment",
        ("{{ by }} on {{ title }}", "{{ by }} has mentioned you on {{ title }}:"),
        ("{{ by }} 提到了您：{{ title }}", "{{ by }} 在“{{ title }}”的评论中提到了您："),
        fields={"by": _TEXT, "text": _TEXT},
        quote="text",
    ),
    _template(
        "incident",
        "A request cannot go on",
        ("Stuck: {{ title }}", "{{ title }} cannot go on until somebody mends it:"),
        ("流程异常：{{ title }}", "“{{ title }}”无法继续，需要处理："),
        category=URGENT,
        fields={"text": _TEXT},
        quote="text",
    ),
)
