"""Templates render plain data in the reader's language, and can do nothing else."""

import time
from typing import Any

import pytest

from riveredge_messaging.channels.in_app import InAppChannel
from riveredge_messaging.channels.smtp import EmailChannel
from riveredge_messaging.templates.catalog import CatalogTemplate, fall_back
from riveredge_messaging.templates.composing import Composed, Look, Reader, compose
from riveredge_messaging.templates.declarations import check_data
from riveredge_messaging.templates.rendering import RenderError, render_text, variables_of
from riveredge_sdk.problems import Invalid
from riveredge_sdk.testing.platform import ApiClient, PlatformUnderTest

TEMPLATES = "/api/v1/messaging/templates"
OBJECT: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "items": {"type": "array"}},
    "required": [],
}


def text(source: str, locale: str = "en", timezone: str = "UTC", **data: Any) -> str:
    """A text template's output."""
    return render_text(source, data, locale=locale, timezone=timezone)


def mail(parts: dict[str, Any], data: dict[str, Any], look: Look | None = None, **more: Any) -> Composed:
    """A template with these English texts, as a mail."""
    texts = {"en": {"subject": "s", "text": "t", **parts}}
    template = CatalogTemplate("custom.x", "X", texts, OBJECT, **more)
    return compose(template, EmailChannel(), data, Reader(name="Ada"), look or Look())


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
    made = mail({"subject": "{{ a }}", "text": "{{ a }}", "html": "<p>{{ a }}</p>"}, {"a": "<b>&"})
    assert (made.subject, made.text, made.html) == ("<b>&", "<b>&", "<p>&lt;b&gt;&amp;</p>")


def test_a_subject_is_one_line() -> None:
    assert mail({"subject": " {{ a }}  you "}, {"a": "Hi"}).subject == "Hi you"
    for evil in ("Hi\r\nBcc: evil@example.com", "a\nb", "a\x00b", "a\u2028b"):
        with pytest.raises(RenderError, match="subject: it has a line break"):
            mail({"subject": "{{ a }}"}, {"a": evil})


def test_links_lead_to_pages() -> None:
    action = {"id": "open", "label": "Open {{ a }}", "style": "primary", "link": "{{ u }}"}
    for good in ("https://example.com/x?y=1", "/tasks/1", "/"):
        made = mail({"actions": [action]}, {"a": "it", "u": good})
        assert made.options == {"actions": [{"id": "open", "label": "Open it", "style": "primary", "link": good}]}
    for bad in ("javascript:alert(1)", "//evil.example", "/\\evil.example", "http://a", "https://a b", ""):
        with pytest.raises(RenderError, match=r"actions\.0\.link: a link is"):
            mail({"actions": [action]}, {"a": "it", "u": bad})


def test_layouts_partials_and_brand() -> None:
    look = Look(
        brand={"name": "Acme & Co"},
        layouts={"plain": ("{{ content }}-- {{ brand.name }}", "<body>{{ content }}<hr>{{ brand.name }}</body>")},
        default="plain",
    )
    partials = {"greeting": {"text": "Dear {{ reader.name }}, ", "html": "<b>{{ reader.name }}</b> "}}
    parts = {"text": '{% include "greeting" %}{{ a }} ', "html": '{% include "greeting" %}{{ a }}'}
    made = mail(parts, {"a": "<i>"}, look, partials=partials)
    assert made.text == "Dear Ada, <i> -- Acme & Co"
    assert made.html == "<body><b>Ada</b> &lt;i&gt;<hr>Acme &amp; Co</body>"
    assert mail(parts, {"a": "x"}, look, partials=partials, layout="").text == "Dear Ada, x "
    # Channels without HTML have no layout.
    template = CatalogTemplate("custom.x", "X", {"en": {"subject": "s", **parts}}, OBJECT, partials=partials)
    assert compose(template, InAppChannel(), {"a": "x"}, Reader(name="Ada"), look).text == "Dear Ada, x "
    assert variables_of(parts["text"], {"greeting": "{{ who }}"}) == {"a", "who"}
    circle = {"a": '{% include "b" %}', "b": '{% include "a" %}'}
    wide = {"a": '{% include "b" %}' * 9, "b": '{% include "c" %}' * 9, "c": "x"}
    for broken in (circle, wide, {}):
        with pytest.raises(RenderError, match="partial"):
            variables_of('{% include "a" %}', broken)
    for source in ("{% include a %}", '{% include ["a"] %}', '{% include "a" ignore missing %}'):
        with pytest.raises(RenderError):
            variables_of(source, {"a": "x"})


def test_a_reader_gets_the_nearest_language() -> None:
    there = ["de", "en-GB", "zh-CN", "zh-Hant"]
    assert [fall_back(tag, there)[0] for tag in ("zh-Hant-TW", "zh", "ZH-cn", "fr", "de-AT")] == [
        "zh-Hant",
        "zh-CN",
        "zh-CN",
        "en-GB",
        "de",
    ]


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


WELCOME = {
    "key": "custom.hello",
    "title": "Hello",
    "texts": {"en": {"subject": "Hi {{ name }}", "text": "Hi {{ name }}"}},
    "variants": {"messaging.in_app": {"en": {"subject": "Hi", "text": "{{ name }}!"}}},
    "variables": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 9}}},
    "sample": {"name": "Sam"},
}


def changed(body: dict[str, Any], **texts: str) -> dict[str, Any]:
    """The contents with other English texts."""
    kept = {name: body[name] for name in ("variants", "variables", "sample")}
    return {**kept, "texts": {"en": {**body["texts"]["en"], **texts}}}


@pytest.mark.database
def test_the_life_of_a_template(client: ApiClient) -> None:
    made = client.post(TEMPLATES, json=WELCOME)
    assert made.status_code == 201, made.text
    assert (made.json()["published"], made.json()["draft"]) == (1, None)
    assert client.post(TEMPLATES, json=WELCOME).status_code == 409
    place = f"{TEMPLATES}/{made.json()['id']}"

    def now() -> dict[str, str]:
        return {"If-Match": client.get(place).headers["ETag"]}

    def rendered(**body: Any) -> dict[str, str]:
        shown = client.post(f"{TEMPLATES}/preview", json={"key": "custom.hello", **body})
        assert shown.status_code == 200, shown.text
        return {each["channel"]: each["text"] for each in shown.json()}

    greeting = {"texts": {"en": {"subject": "x", "text": "{{ reader.name }}"}}, "variables": {"type": "object"}}
    assert client.user is not None
    assert rendered(contents=greeting)["messaging.email"] == client.user.email.partition("@")[0]
    assert {"messaging.email": "Hi Sam", "messaging.in_app": "Sam!"}.items() <= rendered().items()
    # A draft beside it changes nothing yet.
    stale = now()
    draft = client.put(f"{place}/draft", json=changed(WELCOME, text="Ahoy {{ name }}"), headers=stale)
    assert (draft.json()["published"], draft.json()["draft"]) == (1, 2), draft.text
    assert client.put(f"{place}/draft", json=changed(WELCOME), headers=stale).status_code == 412
    assert rendered(data={"name": "Ada"})["messaging.email"] == "Hi Ada"
    assert rendered(number=2)["messaging.email"] == "Ahoy Sam"
    compared = client.post(f"{place}/diff", json={"old": 1, "new": 2}).json()
    assert "-Hi {{ name }}\n+Ahoy {{ name }}" in compared["sources"]
    assert "-Hi Sam\n+Ahoy Sam" in compared["rendered"]["messaging.email"]
    assert "messaging.in_app" not in compared["rendered"]
    published = client.post(f"{place}/publish", json={"note": "At sea"}, headers=now())
    assert (published.json()["published"], published.json()["draft"]) == (2, None)
    assert rendered()["messaging.email"] == "Ahoy Sam"
    listed = client.get(f"{place}/versions").json()["items"]
    assert [(each["number"], each["note"], each["status"]) for each in listed] == [
        (2, "At sea", "published"),
        (1, "", "published"),
    ]
    assert client.post(f"{place}/publish", json={}, headers=now()).status_code == 409
    assert client.post(f"{place}/rollback", json={"number": 1}, headers=now()).json()["published"] == 1
    assert rendered()["messaging.email"] == "Hi Sam"
    # The next draft has a number of its own, and may be thrown away.
    assert client.put(f"{place}/draft", json=changed(WELCOME), headers=now()).json()["draft"] == 3
    assert client.post(f"{place}/rollback", json={"number": 3}, headers=now()).status_code == 409
    assert client.delete(f"{place}/draft", headers=now()).status_code == 204
    assert client.patch(place, json={"title": "Hello!"}, headers=now()).json()["title"] == "Hello!"
    available = {line["key"]: line["own"] for line in client.get(f"{TEMPLATES}/available").json()}
    assert {key for key, own in available.items() if own} == {"custom.hello"}
    assert {"example.reminder", "messaging.welcome"} <= available.keys()
    assert client.post(f"{place}/archive", headers=now()).json()["archived_at"] is not None
    gone = client.post(f"{TEMPLATES}/preview", json={"key": "custom.hello"})
    assert [error["code"] for error in gone.json()["errors"]] == ["unknown_template"]
    assert client.post(f"{place}/restore", headers=now()).json()["archived_at"] is None
    assert client.delete(place, headers=now()).status_code == 204


def test_messages_keep_the_version_they_were_accepted_with(client: ApiClient, platform: PlatformUnderTest) -> None:
    assert client.user is not None
    made = client.post(TEMPLATES, json=WELCOME).json()
    place = f"{TEMPLATES}/{made['id']}"
    body = {"template": "custom.hello", "to": [str(client.user.id)], "data": {"name": "Ada"}}
    first = client.post("/api/v1/messaging/messages", json=body)
    assert first.json()["template_version_id"] == made["current"]["id"]
    draft = client.put(
        f"{place}/draft",
        json=changed(WELCOME, text="{{ name|date }}") | {"variants": {}},
        headers={"If-Match": f'"{made["version"]}"'},
    )
    # What would go wrong is known before it is published.
    rehearsed = client.post(f"{place}/rehearse", json={"days": 7}).json()
    assert (rehearsed["number"], rehearsed["messages"], rehearsed["complete"]) == (2, 1, True)
    assert {(each["channel"], each["count"], each["message_id"]) for each in rehearsed["errors"]} >= {
        ("messaging.email", 1, first.json()["id"]),
        ("messaging.in_app", 1, first.json()["id"]),
    }
    mended = changed(WELCOME, text="Ahoy {{ name }}") | {"variants": {}}
    client.put(f"{place}/draft", json=mended, headers={"If-Match": draft.headers["ETag"]})
    assert client.post(f"{place}/rehearse", json={}).json()["errors"] == []
    me = client.post(f"{place}/send-to-me", json={"channels": ["messaging.in_app"]})
    assert me.status_code == 202, me.text
    platform.settle()
    inbox = client.get("/api/v1/messaging/inbox").json()["items"]
    assert sorted(item["text"] for item in inbox) == ["Ada!", "Ahoy Sam"]
    used = client.delete(place, headers={"If-Match": client.get(place).headers["ETag"]})
    assert (used.status_code, "archive" in used.json()["detail"]) == (409, True)


def test_layouts_and_partials_are_kept_and_checked(client: ApiClient) -> None:
    blocks = "/api/v1/messaging/blocks"
    partial = client.post(blocks, json={"kind": "partial", "key": "sign-off", "title": "Bye", "text": "Bye, {{ who }}"})
    assert partial.status_code == 201, partial.text
    layout = {"kind": "layout", "key": "plain", "title": "Plain", "text": "{{ content }} | {{ brand.name }}"}
    assert client.post(blocks, json=layout).status_code == 201
    no_content = client.post(blocks, json={**layout, "key": "b", "text": "{{ brand.name }}"})
    assert "content" in no_content.json()["errors"][0]["message"]
    client.put("/api/v1/settings/messaging", json={"brand_name": "Acme", "layout": "plain"})
    contents = {
        "texts": {"en": {"subject": "x", "text": '{{ name }} {% include "sign-off" %}'}},
        "variables": {"type": "object", "properties": {"name": {}}},
    }
    undeclared = client.post(f"{TEMPLATES}/preview", json={"contents": contents, "data": {"name": "Ada"}})
    assert [(e["field"], e["message"]) for e in undeclared.json()["errors"]] == [
        ("contents.texts.en.text", "Declare the variable 'who'.")
    ]
    contents["variables"] = {"type": "object", "properties": {"name": {}, "who": {}}}
    made = client.post(TEMPLATES, json={"key": "custom.bye", "title": "Bye", **contents}).json()
    # A published version keeps its partials; the layout is the one of the day.
    place = f"{blocks}/{partial.json()['id']}"
    assert client.patch(place, json={"text": "Ciao"}, headers={"If-Match": '"1"'}).status_code == 200
    body = {"key": "custom.bye", "data": {"name": "Ada", "who": "Bob"}, "channel": "messaging.email"}
    assert client.post(f"{TEMPLATES}/preview", json=body).json()[0]["text"] == "Ada Bye, Bob | Acme"
    assert client.get(f"{TEMPLATES}/{made['id']}").json()["current"]["partials"]["sign-off"]["text"] == "Bye, {{ who }}"


def test_a_tenant_s_version_of_a_template_wins(client: ApiClient) -> None:
    copied = client.post(f"{TEMPLATES}/from-contributed/messaging.welcome")
    assert (copied.status_code, copied.json()["published"]) == (201, None), copied.text
    preview = {"key": "messaging.welcome", "data": {"product": "x"}, "channel": "messaging.email"}
    assert client.post(f"{TEMPLATES}/preview", json=preview).json()[0]["subject"] == "Welcome to x"
    place, working = f"{TEMPLATES}/{copied.json()['id']}", copied.json()["working"]
    contents = {name: working[name] for name in ("variables", "sample")}
    contents["texts"] = {"en": {"subject": "Ahoy", "text": "{{ product }} ahoy"}}
    saved = client.put(f"{place}/draft", json=contents, headers={"If-Match": copied.headers["ETag"]})
    client.post(f"{place}/publish", json={}, headers={"If-Match": saved.headers["ETag"]})
    assert client.post(f"{TEMPLATES}/preview", json=preview).json()[0]["subject"] == "Ahoy"


def test_mistakes_in_texts_are_named(client: ApiClient) -> None:
    body = {
        "key": "custom.bad",
        "title": "Bad",
        "texts": {"en": {"subject": "{{ nam }}", "text": "{% set x = 1 %}"}, "zh-CN": {"subject": "好", "text": "{{"}},
        "variants": {
            "messaging.pigeon": {"en": {"text": "x"}},
            "messaging.in_app": {"en": {"text": "{{ name.first.second|upper }}"}},
        },
        "variables": {"type": "object", "properties": {"name": {"type": "string"}}},
        "layout": "fancy",
    }
    answer = client.post(TEMPLATES, json=body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [
        "variants.messaging.pigeon",
        "variants.messaging.in_app.en.subject",
        "layout",
        "texts.en.subject",
        "texts.en.text",
        "texts.zh-CN.text",
    ]


def test_missing_and_wrong_values_are_named_by_channel(client: ApiClient) -> None:
    assert client.user is not None
    body = {
        **WELCOME,
        "variants": {"messaging.in_app": {"en": {"subject": "Hi", "text": "{{ day }}"}}},
        "variables": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "pattern": "^(a+)+$"},
                "day": {"type": "string", "format": "date"},
                "lines": {"type": "array", "items": {"type": "object", "required": ["price"]}},
            },
            "required": ["name", "day"],
        },
        "sample": {},
    }
    assert client.post(TEMPLATES, json=body).status_code == 201
    message = {"template": "custom.hello", "to": [str(client.user.id)], "data": {}}
    refused = client.post("/api/v1/messaging/messages", json=message)
    assert refused.status_code == 422
    assert refused.json()["missing"]["messaging.email"] == ["name"]
    assert refused.json()["missing"]["messaging.in_app"] == ["day"]
    # The pattern would take others for ever.
    message["data"] = {"name": "a" * 60 + "b", "day": "tomorrow", "lines": [{"price": 1}, {}]}
    refused = client.post("/api/v1/messaging/messages", json=message)
    assert [error["field"] for error in refused.json()["errors"]] == ["data.name", "data.day", "data.lines.1"]
    assert client.get("/api/v1/messaging/messages").json()["items"] == []


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
    contents = {"texts": {"en": {"subject": "x", "text": source}}, "variables": OBJECT}
    answer = client.post(f"{TEMPLATES}/preview", json={"contents": contents, "data": {"name": "x"}})
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
        {"properties": {"name": {"type": "text"}}},
        {"properties": {"name": {"$ref": "#/properties/name"}}},
        {"properties": {"name": {"pattern": "("}}},
        {"type": "array"},
        {"properties": {"name": {}}, "required": None},
        {"properties": {"name": {}}, "required": [[]]},
    ],
)
def test_variables_are_declared_properly(client: ApiClient, variables: dict[str, Any]) -> None:
    texts = {"en": {"subject": "x", "text": "{{ name }}"}}
    body = {"contents": {"texts": texts, "variables": variables}, "data": {"name": "x"}}
    assert client.post(f"{TEMPLATES}/preview", json=body).json()["errors"][0]["field"] == "contents.variables"


@pytest.mark.parametrize("zone", ["Mars/Base", "Europe", "../../etc/passwd", ""])
def test_a_time_zone_is_a_known_one(client: ApiClient, zone: str) -> None:
    answer = client.post(f"{TEMPLATES}/preview", json={"key": "messaging.welcome", "timezone": zone})
    assert [error["field"] for error in answer.json()["errors"]] == ["timezone"]


@pytest.mark.parametrize("locale", ["en-XX", "zz", "zz-ZZ"])
def test_an_unknown_locale_is_written_as_the_next_best(client: ApiClient, locale: str) -> None:
    body = {
        "contents": {"texts": {locale: {"subject": "x", "text": "{{ name|number }}"}}, "variables": OBJECT},
        "data": {"name": "1234"},
        "locale": locale,
    }
    assert client.post(f"{TEMPLATES}/preview", json=body).json()[0]["text"] == "1,234"
