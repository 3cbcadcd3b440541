"""Conditions as people read them, in English and Chinese: "Amount (6000) is more than 5000"."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from riveredge_approvals.ir.document import CompiledFlow, Condition

LANGUAGES: Final = ("en", "zh-CN")
MAX_SHOWN: Final = 80
_HIDDEN: Final = "•••"

_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "eq": ("is", "等于"),
    "ne": ("is not", "不等于"),
    "gt": ("is more than", "大于"),
    "ge": ("is at least", "大于等于"),
    "lt": ("is less than", "小于"),
    "le": ("is at most", "小于等于"),
    "in": ("is one of", "属于"),
    "not_in": ("is none of", "不属于"),
    "contains": ("contains", "包含"),
    "not_contains": ("does not contain", "不包含"),
    "starts_with": ("starts with", "开头是"),
    "between": ("is between", "介于"),
    "is_empty": ("is empty", "为空"),
    "not_empty": ("is filled in", "不为空"),
    "all": (" and ", "，并且"),
    "any": (" or ", "，或者"),
    "none": ("none of: ", "以下均不成立："),
    "else": ("in all other cases", "其他情况"),
}
_BUILT_IN: Final[Mapping[str, tuple[str, str]]] = {
    "initiator.id": ("the submitter", "提交人"),
    "initiator.department": ("the submitting department", "提交部门"),
    "instance.number": ("the number", "编号"),
    "instance.title": ("the title", "标题"),
}


@dataclass(frozen=True, slots=True)
class Wording:
    """How a flow's fields are called, and what of them may be shown.

    Attributes:
        titles: of the form's fields, by name.
        labels: of the nodes.
        hidden: full names of fields whose values the reader must not see.
    """

    titles: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()

    @classmethod
    def of(cls, flow: CompiledFlow, form_schema: Mapping[str, Any], hidden: frozenset[str] = frozenset()) -> "Wording":
        """That of a process with its form."""
        known = form_schema.get("properties", {})
        titles = {name: str(rule.get("title") or name) for name, rule in known.items() if isinstance(rule, Mapping)}
        return cls(titles, {name: node.label or name for name, node in flow.nodes.items()}, hidden)

    def is_hidden(self, name: str) -> bool:
        """Whether a field's value, or that of the object it is part of, must not be seen."""
        return any(name == each or name.startswith(f"{each}.") for each in self.hidden)

    def name(self, full: str, language: str) -> str:
        """What a field is called."""
        place = LANGUAGES.index(language)
        if full in _BUILT_IN:
            return _BUILT_IN[full][place]
        if full.startswith("nodes."):
            node = full.removeprefix("nodes.").removesuffix(".outcome")
            return (f"the outcome of {self.labels.get(node, node)}", f"“{self.labels.get(node, node)}”的结果")[place]
        first, dot, rest = full.removeprefix("form.").partition(".")
        return self.titles.get(first, first) + dot + rest

    def text(self, condition: Condition, read: Mapping[str, Any]) -> dict[str, str]:
        """A condition, with the values that it was decided on, by language."""
        return {language: self._text(condition, read, language) for language in LANGUAGES}

    def _text(self, condition: Any, read: Mapping[str, Any], language: str) -> str:
        place = LANGUAGES.index(language)
        if condition is True:
            return _WORDS["else"][place]
        op, *rest = condition
        word = _WORDS[op][place]
        if op in {"all", "any", "none"}:
            parts = [self._text(part, read, language) for part in rest]
            joined = _WORDS["any" if op == "none" else op][place].join(
                f"({part})" if len(rest) > 1 and each[0] in {"all", "any"} else part
                for each, part in zip(rest, parts, strict=True)
            )
            return word + joined if op == "none" else joined
        name, *wanted = rest
        value = ""
        if name in read:
            value = f" ({_HIDDEN if self.is_hidden(name) else _shown(read[name], language)})"
        if self.is_hidden(name) and wanted:
            # What it is compared with would tell of the value.
            wanted = [_HIDDEN]
        joint = (" and ", " 和 ")[place] if op == "between" else ", "
        shown = joint.join(_shown(each, language) for each in wanted)
        return f"{self.name(name, language)}{value} {word} {shown}".rstrip()


def _shown(value: Any, language: str) -> str:
    match value:
        case None | "":
            return ("empty", "空")[LANGUAGES.index(language)]
        case bool():
            return (("yes", "no"), ("是", "否"))[LANGUAGES.index(language)][not value]
        case {"amount": amount, "currency": currency}:
            return f"{amount} {currency}"
        case list() | tuple():
            return ", ".join(_shown(each, language) for each in value)[:MAX_SHOWN]
        case _:
            return str(value)[:MAX_SHOWN]


__all__ = ["LANGUAGES", "Wording"]
