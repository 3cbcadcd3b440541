"""The messages of alarms."""

from collections.abc import Mapping

from riveredge_sdk.features.messaging import MessageTemplateSpec, TemplateText


def _template(
    name: str, title: str, fields: Mapping[str, str], en: tuple[str, str], zh: tuple[str, str]
) -> MessageTemplateSpec:
    common = {"title": {"type": "string", "description": "The schedule's title."}, "key": {"type": "string"}}
    properties = common | {field: {"type": kind} for field, kind in fields.items()}
    return MessageTemplateSpec(
        id=f"scheduling.{name}",
        title=title,
        variables={"type": "object", "properties": properties, "required": sorted(properties)},
        texts={
            "en": TemplateText(subject=en[0], text=en[1]),
            "zh-CN": TemplateText(subject=zh[0], text=zh[1]),
        },
    )


FAILED = _template(
    "failed",
    "A schedule failed",
    {"count": "integer", "error": "string", "at": "string"},
    (
        "Failed: {{ title }}",
        (
            "The schedule {{ title }} ({{ key }}) failed {{ count }} time(s) in a row, "
            "last at {{ at|datetime }}:\n\n{{ error }}\n"
        ),
    ),
    (
        "运行失败：{{ title }}",
        "计划任务 {{ title }}（{{ key }}）已连续失败 {{ count }} 次，最近一次为 {{ at|datetime }}：\n\n{{ error }}\n",
    ),
)
LATE = _template(
    "late",
    "A schedule ran late",
    {"seconds": "integer", "at": "string"},
    (
        "Late: {{ title }}",
        "The run of {{ title }} ({{ key }}) that was due at {{ at|datetime }} started {{ seconds }} seconds late.\n",
    ),
    (
        "运行延迟：{{ title }}",
        "计划任务 {{ title }}（{{ key }}）应于 {{ at|datetime }} 运行，延迟了 {{ seconds }} 秒。\n",
    ),
)
MISSING = _template(
    "missing",
    "A schedule did not succeed in time",
    {"seconds": "integer"},
    (
        "No success: {{ title }}",
        "The schedule {{ title }} ({{ key }}) has not succeeded within {{ seconds }} seconds, as it should.\n",
    ),
    ("未按时成功：{{ title }}", "计划任务 {{ title }}（{{ key }}）未能在 {{ seconds }} 秒内成功运行。\n"),
)
PAUSED = _template(
    "paused",
    "A schedule was paused",
    {"reason": "string"},
    (
        "Paused: {{ title }}",
        (
            "The schedule {{ title }} ({{ key }}) was paused. Nothing runs until somebody resumes it. The reason:\n\n"
            "{{ reason }}\n"
        ),
    ),
    ("已暂停：{{ title }}", "计划任务 {{ title }}（{{ key }}）已暂停，恢复之前不会运行。原因：\n\n{{ reason }}\n"),
)
TEMPLATES = (FAILED, LATE, MISSING, PAUSED)
