"""Sentences for people, in English and Chinese.

What is kept (warnings, incidents, traces) is kept in both languages: nobody knows who will read it. What is answered at
once is said in the language of whoever asks.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

from riveredge_sdk.context import find_context

# One sentence by language: {"en": …, "zh-CN": …}.
Texts: TypeAlias = dict[str, str]
LANGUAGES: Final = ("en", "zh-CN")


def texts_of(said: str | Mapping[str, str]) -> Texts:
    """A sentence in both languages; in the one there is, where others have said it in one only."""
    if isinstance(said, str):
        return dict.fromkeys(LANGUAGES, said)
    spoken = said.get("en") or next(iter(said.values()), "")
    return {language: said.get(language) or spoken for language in LANGUAGES}


def in_language(texts: Mapping[str, str], locale: str) -> str:
    """The Chinese one for Chinese locales, else the English one."""
    return texts["zh-CN" if locale.partition("-")[0].lower() == "zh" else "en"]


def told(english: str, chinese: str) -> str:
    """A sentence in the language of whoever asks."""
    context = find_context()
    return in_language({"en": english, "zh-CN": chinese}, context.locale if context is not None else "en")


def told_of(texts: Mapping[str, str]) -> str:
    """The same of one in both languages."""
    return told(texts["en"], texts["zh-CN"])


def texts_of_flaw(code: str, message: str) -> Texts:
    """What pydantic says of a value, by its code (`missing`). What Chinese has no words for here is kept beside."""
    known = _FLAWS.get(code)
    if known is None:
        return {"en": message, "zh-CN": f"值不正确（{message}）"}
    return {"en": message, "zh-CN": f"{known}（{message}）" if code in _WITH_VALUES else known}


_FLAWS: Final[Mapping[str, str]] = {
    "missing": "缺少此项",
    "extra_forbidden": "不支持此项",
    "string_type": "应为文本",
    "int_type": "应为整数",
    "int_parsing": "应为整数",
    "int_from_float": "应为整数",
    "bool_type": "应为是或否",
    "bool_parsing": "应为是或否",
    "float_type": "应为数字",
    "float_parsing": "应为数字",
    "list_type": "应为列表",
    "tuple_type": "应为列表",
    "dict_type": "应为对象",
    "model_type": "应为对象",
    "model_attributes_type": "应为对象",
    "uuid_parsing": "应为 UUID",
    "literal_error": "不是允许的值",
    "enum": "不是允许的值",
    "union_tag_invalid": "不是允许的类型",
    "union_tag_not_found": "缺少类型",
    "string_too_short": "文本过短",
    "string_too_long": "文本过长",
    "too_short": "数量过少",
    "too_long": "数量过多",
    "greater_than": "数值过小",
    "greater_than_equal": "数值过小",
    "less_than": "数值过大",
    "less_than_equal": "数值过大",
    "string_pattern_mismatch": "格式不正确",
}
_WITH_VALUES: Final = frozenset(
    {
        "literal_error",
        "enum",
        "union_tag_invalid",
        "string_too_short",
        "string_too_long",
        "too_short",
        "too_long",
        "greater_than",
        "greater_than_equal",
        "less_than",
        "less_than_equal",
        "string_pattern_mismatch",
    }
)
