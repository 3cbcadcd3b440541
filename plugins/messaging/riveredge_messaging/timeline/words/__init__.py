"""Sentences for people: why a rule let a message through, held it back or stopped it. By code, English and Chinese.

Each area of the plugin keeps its codes in a module of its own. The words in braces are the details of the decision.
"""

from collections.abc import Mapping
from typing import Any

from riveredge_messaging.timeline.words import delivery, pipeline

_TEXTS: Mapping[str, tuple[str, str]] = {**pipeline.TEXTS, **delivery.TEXTS}


class _Known(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "?"


def is_known(code: str) -> bool:
    """Whether there is a sentence for it."""
    return code in _TEXTS


def sentence(code: str, locale: str, detail: Mapping[str, Any] | None = None) -> str:
    """The sentence of a code, in Chinese for Chinese locales, else in English.

    A code of an earlier release, which has no sentence any more, is its own.
    """
    if code not in _TEXTS:
        return code
    english, chinese = _TEXTS[code]
    template = chinese if locale.partition("-")[0].lower() == "zh" else english
    return template.format_map(_Known(detail or {}))
