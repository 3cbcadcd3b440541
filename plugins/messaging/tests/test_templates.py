"""Templates render plain data in the reader's language, and can do nothing else."""

import time
from typing import Any

import pytest

from riveredge_messaging.rendering import RenderError, check_data, render, variables_of
from riveredge_sdk.problems import Invalid
from riveredge_sdk.testing.platform import ApiClient

TEMPLATES = "/api/v1/messaging/templates"
OBJECT = {"type": "object", "properties": {"name": {"type": "string"}, "items": {"type": "array"}}, "required": []}


def text(source: str, locale: str = "en", timezone: str = "UTC", **data: Any) -> str:
    """A text template's output."""
    return render("s", source, None, data, locale=locale, timezone=timezone).text


def test_text_is_rendered() -> None:
    assert text("Hello {{ name|upper }}{% if name %}!{% endif %}", name="ada") == "Hello ADA!"
    assert text("{% for i in items %}{{ loop.index }}:{{ i.name }} {% endfor %}", items=[{"name": "a"}]) == "1:a "


def test_dates_numbers_and_money_are_the_reader_s() -> None:
    instant = "2026-11-23T23:30:00Z"
    assert text("{{ at|date }}", at=instant) == "Nov 23, 2026"
    assert text("{{ at|date }}", "zh-CN", "Asia/Shanghai", at=instant) == "2026年11月24日"
    assert text("{{ n|number }}", "de", n=1234567.5) == "1.234.567,5"
    assert text('{{ n|money("CNY") }}', "zh-CN", n="99.5") == "¥99.50"


def test_html_is_escaped_and_text_is_not() -> None:
    made = render("{{ a }}", "{{ a }}", "<p>{{ a }}</p>", {"a": "<b>&"}, locale="en", timezone="UTC")
    assert made.text == "<b>&"
    assert made.html == "<p>&lt;b&gt;&amp;</p>"


def test_a_subject_is_one_line() -> None:
    made = render("{{ a }}", "x", None, {"a": "Hi\r\nBcc: evil@example.com"}, locale="en", timezone="UTC")
    assert made.subject == "Hi Bcc: evil@example.com"


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ name.__init__.__globals__ }}",
        "{{ name['__class__'] }}",
        "{{ name|attr('__class__') }}",
        "{{ self }}",
        "{{ cycler.__init__ }}",
        "{{ range(10) }}",
        "{{ name.format() }}",
        "{% set a = name %}{{ a }}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% macro m() %}{% endmacro %}",
        "{{ 'a' * 1000000000 }}",
        "{{ 9 ** 999999999 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '{:1000000000}'|format(1) }}",
        "{{ name|center(1000000000) }}",
        "{% for a in 'x' %}{% endfor %}",
        "{% for a in items %}{% for b in items %}{% for c in items %}x{% endfor %}{% endfor %}{% endfor %}",
        "{% for a in items recursive %}{{ loop(items) }}{% endfor %}",
        "{{ name",
        "{% if %}",
        "{{ unknown }}",
        "{{ name.first.second }}",
        "{{ 1 - name }}",
        "{{ name|date }}",
        "{{ items|money }}",
    ],
)
def test_nothing_else_is_possible(source: str) -> None:
    started = time.perf_counter()
    with pytest.raises(RenderError):
        text(source, name="ada", items=[1, 2])
    assert time.perf_counter() - started < 2


def test_work_is_bounded() -> None:
    source = "{% for a in items %}{% for b in items %}{{ name }}{% endfor %}{% endfor %}"
    with pytest.raises(RenderError, match="longer than"):
        text(source, items=list(range(500)), name="x" * 1000)
    with pytest.raises(Invalid):
        check_data({"items": list(range(501))}, OBJECT)
    with pytest.raises(Invalid):
        check_data({"name": "x" * 70_000}, OBJECT)


def test_variables_are_found() -> None:
    assert variables_of("{{ a.b }}{% for x in items %}{{ x }}{{ loop.index }}{% endfor %}{{ c|default('') }}") == {
        "a",
        "items",
        "c",
    }


@pytest.mark.database
def test_a_tenant_writes_changes_and_deletes_templates(client: ApiClient) -> None:
    body = {
        "key": "custom.hello",
        "title": "Hello",
        "texts": {"en": {"subject": "Hi {{ name }}", "text": "Hi {{ name }}"}},
        "variables": {"type": "object", "properties": {"name": {"type": "string"}}},
    }
    made = client.post(TEMPLATES, json=body)
    assert made.status_code == 201, made.text
    assert client.post(TEMPLATES, json=body).status_code == 409
    place = f"{TEMPLATES}/{made.json()['id']}"
    changed = client.patch(place, json={"title": "Hello!"}, headers={"If-Match": '"1"'})
    assert changed.json()["title"] == "Hello!"
    preview = client.post(f"{TEMPLATES}/preview", json={"key": "custom.hello", "data": {"name": "Ada"}})
    assert preview.json() == {"locale": "en", "subject": "Hi Ada", "text": "Hi Ada", "html": None}
    available = {line["key"]: line["own"] for line in client.get(f"{TEMPLATES}/available").json()}
    assert {key for key, own in available.items() if own} == {"custom.hello"}
    assert {"example.reminder", "messaging.welcome"} <= available.keys()
    assert client.delete(place, headers={"If-Match": '"2"'}).status_code == 204


def test_a_tenant_s_version_of_a_template_wins(client: ApiClient) -> None:
    body = {
        "key": "messaging.welcome",
        "title": "Ours",
        "texts": {"en": {"subject": "Ahoy", "text": "{{ product }} ahoy"}},
        "variables": {"type": "object", "properties": {"product": {"type": "string"}}},
    }
    assert client.post(TEMPLATES, json=body).status_code == 201
    data = {"key": "messaging.welcome", "data": {"product": "x"}}
    assert client.post(f"{TEMPLATES}/preview", json=data).json()["subject"] == "Ahoy"


def test_mistakes_in_texts_are_named(client: ApiClient) -> None:
    body = {
        "key": "custom.bad",
        "title": "Bad",
        "texts": {"en": {"subject": "{{ nam }}", "text": "{% set x = 1 %}"}, "zh-CN": {"subject": "好", "text": "{{"}},
        "variables": {"type": "object", "properties": {"name": {"type": "string"}}},
    }
    answer = client.post(TEMPLATES, json=body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [
        "texts.en.subject",
        "texts.en.text",
        "texts.zh-CN.text",
    ]


@pytest.mark.parametrize(
    "source",
    [
        "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
        "{{ name" + "|upper" * 2500 + " }}",
        "{{ " + "[" * 100 + "]" * 100 + " }}",
        "{% if 1 %}" * 150 + "{% endif %}" * 150,
        "{% if 1 %}" * 900 + "{% endif %}" * 900,
    ],
)
def test_deep_syntax_is_refused(client: ApiClient, source: str) -> None:
    body = {"texts": {"en": {"subject": "x", "text": source}}, "variables": OBJECT, "data": {"name": "x"}}
    answer = client.post(f"{TEMPLATES}/preview", json=body)
    assert answer.status_code == 422, answer.text
    assert "nests" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in items %}{% for b in items %}"
        + "{% if 'q' in items %}{% endif %}" * 600
        + "{% endfor %}{% endfor %}",
        "{% for a in name %}{% for b in name %}{% endfor %}{% endfor %}",
        "{{ [" + "name|title, " * 1500 + "]|length }}",
    ],
)
def test_computing_time_is_bounded(source: str) -> None:
    began = time.thread_time()
    with pytest.raises(RenderError, match="seconds of computing"):
        text(source, items=list(range(500)), name="a b " * 15_000)
    assert time.thread_time() - began < 3


@pytest.mark.parametrize(
    "variables",
    [
        {"properties": {"name": 1}},
        {"properties": {"name": []}},
        {"properties": {"name": {"type": ["string"]}}},
        {"properties": {"name": {}}, "required": None},
        {"properties": {"name": {}}, "required": [[]]},
    ],
)
def test_variables_are_declared_properly(client: ApiClient, variables: dict[str, Any]) -> None:
    texts = {"en": {"subject": "x", "text": "{{ name }}"}}
    body = {"texts": texts, "variables": variables, "data": {"name": "x"}}
    assert client.post(f"{TEMPLATES}/preview", json=body).json()["errors"][0]["field"] == "variables"


@pytest.mark.parametrize("locale", ["en-XX", "zz", "zz-ZZ"])
def test_an_unknown_locale_is_written_as_the_next_best(client: ApiClient, locale: str) -> None:
    body = {
        "texts": {locale: {"subject": "x", "text": "{{ name|number }}"}},
        "variables": OBJECT,
        "data": {"name": "1234"},
        "locale": locale,
    }
    assert client.post(f"{TEMPLATES}/preview", json=body).json()["text"] == "1,234"
