"""A plugin that is broken in whatever way costs itself, or a part of itself, and nothing else."""

from collections.abc import Callable
from typing import Any

import pytest

GOOD = """
def permissions(self):
    return [Permission("{0}.read", "Read")]

async def startup(self):
    pass
"""
PERMISSION = "def permissions(self): return [Permission('{0}.read', 'Read')]\n"

# What is wrong, and the reason that must be told.
NOT_LOADED: dict[str, tuple[dict[str, Any], str]] = {
    "broken import": ({"source": "import a_module_that_is_not_there"}, "ModuleNotFoundError: No module named"),
    "syntax error": ({"source": "def plugin(:"}, "SyntaxError: "),
    "exit": ({"source": "raise SystemExit(3)"}, "SystemExit: 3"),
    "exception": ({"source": "1 / 0"}, "ZeroDivisionError: division by zero"),
    # A SyntaxError or a ValueError, by the version of Python.
    "null bytes": ({"source": "\0"}, "cannot contain null bytes"),
    "no object of that name": ({"source": "other = 1"}, "AttributeError: "),
    "no plugin": ({"source": "plugin = {'id': 'bad'}"}, "gives a dict; it must give an object of a subclass of Plugin"),
    "the class": ({"source": "from riveredge_sdk.plugin import Plugin as plugin"}, "it must give an object"),
    "constructor": ({"body": "def __init__(self): raise RuntimeError('no')"}, "RuntimeError: no"),
    "wrong signature": (
        {"body": "def permissions(self, tenant): return []"},
        "permissions(self, tenant) has",
    ),
    "coroutine for a function": ({"body": "async def models(self): return []"}, "models must not be a coroutine"),
    "function for a coroutine": ({"body": "def startup(self): pass"}, "startup must be a coroutine function"),
    "api too new": ({"body": "api = '>=2'"}, "made for SDK API >=2; this is 1."),
    "api is nonsense": ({"body": "api = 'newest'"}, "api 'newest' is no version specifier"),
    "another id": ({"body": "id = 'good'"}, "id 'good' differs from the entry point's name 'bad'"),
    "an impossible id": ({"body": "id = 'Bad-Id'"}, "id 'Bad-Id': expected 2 to 41"),
    "no title": ({"body": "title = None"}, "title is missing"),
    "requires nothing that can be listed": ({"body": "requires = None"}, "requires must be a list of plugin ids"),
    "requires a word": ({"body": "requires = 'good'"}, "requires must be a list of plugin ids"),
    "after what is no id": ({"body": "after = [1]"}, "after must be a list of plugin ids"),
}
PARTLY: dict[str, tuple[str, str]] = {
    "raising hook": ("def roles(self): raise ValueError('no roles')", "roles: ValueError: no roles"),
    "exiting hook": ("def roles(self): raise SystemExit('bye')", "roles: SystemExit: bye"),
    "hook without a result": ("def roles(self): return None", "roles: TypeError: "),
    "generator that breaks off": ("def roles(self):\n    yield 1 / 0", "roles: ZeroDivisionError"),
    "wrong result": ("def roles(self): return [{'id': 'bad.clerk'}]", "roles: gave a dict, expected Role"),
    "wrong class": ("def models(self): return [int]", "models: gave a type, expected "),
    "wrong prefix": (
        "def roles(self): return [Role('good.clerk', 'Clerk', frozenset())]",
        "roles: 'good.clerk' must begin with 'bad.'",
    ),
    "twice the same": (
        "def roles(self): return 2 * [Role('bad.clerk', 'Clerk', frozenset())]",
        "roles: bad.clerk is offered by bad already",
    ),
    "raising coroutine": ("async def startup(self): raise OSError('no port')", "startup: OSError: no port"),
    "exiting coroutine": ("async def startup(self): raise SystemExit('bye')", "startup: SystemExit: bye"),
    "coroutine that awaits what it has cancelled": (
        """async def startup(self):
            import asyncio
            task = asyncio.create_task(asyncio.sleep(60))
            task.cancel()
            await task""",
        "startup: CancelledError",
    ),
    "coroutine that does not let itself be cancelled": (
        """async def startup(self):
            import asyncio
            for _ in range(100):
                try:
                    await asyncio.sleep(0.05)
                except asyncio.CancelledError:
                    pass""",
        "startup: no end after 0.3 s",
    ),
    "hanging coroutine": (
        "async def startup(self):\n    import asyncio\n    await asyncio.sleep(60)",
        "startup: no end after 0.3 s",
    ),
}


@pytest.fixture
def neighbours(install: Callable[..., None]) -> None:
    """Good plugins whose names sort before and after the bad one's."""
    for name in ("alright", "good"):
        install(name, GOOD.format(name))


def assert_neighbours_run(found: dict[str, Any]) -> None:
    """The good ones run, have started and give what they offer."""
    for name in ("alright", "good"):
        assert found["reports"][name] == {"state": "active", "reason": "", "version": "1.0"}
        assert name in found["order"]
        assert name in found["started"]
        assert [name, f"{name}.read"] in found["given"]["permissions"]


@pytest.mark.usefixtures("neighbours")
@pytest.mark.parametrize("mistake", NOT_LOADED)
def test_what_cannot_be_loaded_is_left_out(mistake: str, install: Any, load: Any) -> None:
    options, reason = NOT_LOADED[mistake]
    install("bad", **options)
    found = load()
    assert_neighbours_run(found)
    assert found["reports"]["bad"]["state"] == "failed: load"
    assert reason in found["reports"]["bad"]["reason"]
    assert "bad" not in found["order"]


@pytest.mark.usefixtures("neighbours")
@pytest.mark.parametrize("mistake", PARTLY)
def test_what_a_hook_does_wrong_costs_that_hook(mistake: str, install: Any, load: Any) -> None:
    body, reason = PARTLY[mistake]
    install("bad", PERMISSION.format("bad") + body)
    found = load(hook_timeout="0.3")
    assert_neighbours_run(found)
    assert found["reports"]["bad"]["state"] == "partial"
    assert reason in found["reports"]["bad"]["reason"]
    assert "bad" in found["order"]
    assert ["bad", "bad.read"] in found["given"]["permissions"]


@pytest.mark.usefixtures("neighbours")
def test_a_requirement_that_is_not_met_takes_down_what_needs_it(install: Any, load: Any) -> None:
    install("bad", "requires = ['nowhere']")
    install("worse", "requires = ['bad', 'good']")
    found = load()
    assert_neighbours_run(found)
    for name, missing in (("bad", "nowhere"), ("worse", "bad")):
        assert found["reports"][name]["state"] == "failed: requires"
        assert f"requires {missing}, which is not installed or does not run" in found["reports"][name]["reason"]


@pytest.mark.usefixtures("neighbours")
def test_a_circle_takes_down_its_members_and_who_needs_them(install: Any, load: Any) -> None:
    install("bad", "requires = ['worse']")
    install("worse", "requires = ['bad']")
    install("user", "requires = ['bad']")
    install("selfish", "requires = ['selfish']")
    found = load()
    assert_neighbours_run(found)
    assert "bad → worse → bad" in found["reports"]["bad"]["reason"]
    assert "worse → bad → worse" in found["reports"]["worse"]["reason"]
    assert "selfish → selfish" in found["reports"]["selfish"]["reason"]
    assert "requires bad, which" in found["reports"]["user"]["reason"]
    assert {found["reports"][name]["state"] for name in ("bad", "worse", "user", "selfish")} == {"failed: requires"}


@pytest.mark.usefixtures("neighbours")
def test_plugins_come_after_what_they_require(install: Any, load: Any) -> None:
    install("aaa", "requires = ['good']\nafter = ['zzz', 'nowhere']")
    install("zzz", "requires = ['alright']")
    # A circle of soft wishes is no mistake.
    install("soft", "after = ['softer']")
    install("softer", "after = ['soft']")
    found = load()
    order = found["order"]
    assert order.index("aaa") > order.index("good")
    assert order.index("aaa") > order.index("zzz") > order.index("alright")
    assert {"soft", "softer"} <= set(order)


@pytest.mark.usefixtures("neighbours")
def test_lists_and_safe_mode(install: Any, load: Any) -> None:
    install("needs_good", "requires = ['good']")
    install("bad", source="raise SystemExit")
    denied = load(deny='["good", "bad"]')["reports"]
    assert denied["good"]["state"] == denied["bad"]["state"] == "disabled"
    assert denied["good"]["reason"] == "denied by RIVEREDGE_PLUGINS__DENY"
    assert denied["needs_good"]["state"] == "failed: requires"
    assert denied["alright"]["state"] == "active"
    allowed = load(allow='["good"]')
    assert allowed["order"] == ["good"]
    assert allowed["reports"]["alright"]["reason"] == "not among RIVEREDGE_PLUGINS__ALLOW"
    # What is not allowed is not even imported.
    assert allowed["reports"]["bad"]["state"] == "disabled"
    assert load(safe_mode="true")["order"] == []


@pytest.mark.usefixtures("neighbours")
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"source": "1 / 0"}, "plugin bad: failed: load: ZeroDivisionError"),
        ({"body": "requires = ['nowhere']"}, "plugin bad: failed: requires: requires nowhere"),
        ({"body": "def roles(self): raise ValueError('no roles')"}, "plugin bad: partial: roles: ValueError"),
        ({"body": "async def startup(self): raise OSError('no')"}, "plugin bad: partial: startup: OSError"),
    ],
)
def test_strictness_makes_isolation_a_failure(options: Any, reason: str, install: Any, fail_to_load: Any) -> None:
    install("bad", **options)
    # The platform's own plugins are no part of this.
    assert f"PluginError: {reason}" in fail_to_load(strict="true", allow='["alright", "good", "bad"]')


@pytest.mark.usefixtures("neighbours")
def test_strictness_lets_good_and_unwanted_plugins_be(install: Any, load: Any) -> None:
    install("bad", source="1 / 0")
    assert_neighbours_run(load(strict="true", deny='["bad"]', allow='["alright", "good"]'))


@pytest.mark.usefixtures("neighbours")
def test_two_distributions_with_one_id(tmp_path: Any, install: Any, load: Any) -> None:
    install("bad", PERMISSION.format("bad"))
    other = tmp_path / "impostor-2.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: impostor\nVersion: 2.0\n")
    (other / "entry_points.txt").write_text("[riveredge.plugins]\nbad = good:plugin\n")
    found = load()
    assert_neighbours_run(found)
    assert ["bad", "bad.read"] in found["given"]["permissions"]
    assert found["reports"]["bad"]["state"] == "partial"
    assert "left out: impostor has the same id" in found["reports"]["bad"]["reason"]


@pytest.mark.usefixtures("neighbours")
def test_the_command_tells_all_of_it(install: Any, list_plugins: Any) -> None:
    install("bad", source="raise SystemExit(3)")
    install("half", PERMISSION.format("half") + "def roles(self): raise ValueError('no roles')")
    listed = list_plugins(deny='["alright"]')
    assert listed["good"] == {
        "id": "good",
        "version": "1.0",
        "state": "active",
        "reason": "",
        "contributions": {"permissions": 1},
    }
    assert (listed["bad"]["state"], listed["bad"]["reason"]) == ("failed: load", "SystemExit: 3")
    assert (listed["half"]["state"], listed["half"]["contributions"]) == ("partial", {"permissions": 1})
    assert listed["alright"]["state"] == "disabled"
