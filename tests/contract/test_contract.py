"""What holds for every plugin, route, model and page, whoever adds the next one."""

import inspect
import json
import re
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import ForeignKeyConstraint, Table
from starlette.routing import Match

from riveredge_example.plugin import ExamplePlugin
from riveredge_kernel.app import create_app
from riveredge_kernel.http import openapi
from riveredge_kernel.http.routing import KernelRoute
from riveredge_kernel.platform import Platform
from riveredge_kernel.settings import Settings
from riveredge_sdk.events import EventType
from riveredge_sdk.models import PlatformModel, TenantModel, uuid7
from riveredge_sdk.plugin import Plugin

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
HOOKS = [name for name, value in vars(Plugin).items() if inspect.isfunction(value)]
# Tables whose rows belong to one tenant or to the platform itself.
MIXED = {"kernel_audit", "kernel_outbox", "kernel_run", "kernel_run_step"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """The platform with everything that is installed; it needs no database, because it does not start."""
    return create_app(Settings(var_dir=tmp_path_factory.mktemp("var")), check_schema=False)


@pytest.fixture(scope="module")
def platform(app: FastAPI) -> Platform:
    """The parts of `app`."""
    found: Platform = app.state.platform
    return found


@pytest.fixture(scope="module")
def routes(app: FastAPI) -> list[KernelRoute]:
    """Every route that goes through the gate."""
    return [route for route in app.routes if isinstance(route, KernelRoute)]


def test_every_installed_plugin_runs_whole(platform: Platform) -> None:
    reports = {report.id: (report.state, report.reason) for report in platform.plugins.report()}
    assert {"kernel", "messaging", "example"} <= reports.keys()
    assert set(reports.values()) == {("active", "")}


def test_the_index_finds_the_route_that_comes_first(app: FastAPI, routes: list[KernelRoute]) -> None:
    index, *others = app.router.routes
    for route in routes:
        path = re.sub(r"{[^}]*}", str(uuid7()), route.path)
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"):
            scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "headers": []}
            first = next(
                (child["route"] for match, child in (o.matches(scope) for o in others) if match == Match.FULL), None
            )
            found, child = index.matches(scope)
            assert (child["route"] if found == Match.FULL else None) is first, f"{method} {path}"
    assert index.matches({"type": "http", "method": "GET", "path": "/api/v1/absent", "headers": []})[0] == Match.NONE


# -- hooks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_page_with_its_signature(hook: str) -> None:
    page = (DOCS / "plugins" / f"{hook}.md").read_text(encoding="utf-8")
    declared = inspect.getsource(getattr(Plugin, hook)).splitlines()[0].strip()
    assert f"```python\n{declared}\n```" in page
    assert f"({hook}.md)" in (DOCS / "plugins" / "index.md").read_text(encoding="utf-8")


def test_there_are_no_pages_of_hooks_that_are_gone() -> None:
    assert {page.stem for page in (DOCS / "plugins").glob("*.md")} == {*HOOKS, "index"}


@pytest.mark.parametrize("hook", HOOKS)
def test_the_example_uses_every_hook_as_it_is_declared(hook: str) -> None:
    declared, own = getattr(Plugin, hook), vars(ExamplePlugin).get(hook)
    assert own is not None
    assert list(inspect.signature(own).parameters) == list(inspect.signature(declared).parameters)
    if not inspect.iscoroutinefunction(declared):
        assert list(own(ExamplePlugin()))


@pytest.mark.parametrize("hook", HOOKS)
def test_the_excerpts_on_the_pages_are_the_examples_code(hook: str) -> None:
    page = (DOCS / "plugins" / f"{hook}.md").read_text(encoding="utf-8")
    assert inspect.cleandoc("\n" + inspect.getsource(vars(ExamplePlugin)[hook])) in page
    for name, excerpt in re.findall(r"```python\n# (\w+\.py)\n(.*?)\n```", page, re.DOTALL):
        source = (ROOT / "tests/exampleplugin/riveredge_example" / name).read_text(encoding="utf-8")
        lines = {line.strip() for line in source.splitlines()}
        assert {line.strip() for line in excerpt.splitlines()} <= lines


# -- routes ---------------------------------------------------------------------------------------------------------


def test_every_route_says_who_may_use_it(routes: list[KernelRoute], platform: Platform) -> None:
    permissions = {c.item.id for c in platform.plugins.collect(Plugin.permissions)}
    assert len(routes) > 30
    for route in routes:
        declared = route.plan.route
        assert (declared.require is not None) + declared.public + declared.signed_in == 1, route.path
        if declared.require is not None:
            assert declared.require in permissions, route.path


def test_a_plugins_routes_name_its_own_permissions(routes: list[KernelRoute]) -> None:
    for route in routes:
        if route.plan.plugin is not None:
            assert route.path.startswith(f"/api/v1/{route.plan.plugin}/"), route.path
            assert (route.plan.route.require or f"{route.plan.plugin}.").startswith(f"{route.plan.plugin}.")


def test_every_permission_is_named_by_a_route(routes: list[KernelRoute], platform: Platform) -> None:
    named = {route.plan.route.require for route in routes}
    assert {c.item.id for c in platform.plugins.collect(Plugin.permissions)} <= named


def test_roles_hold_permissions_that_there_are(platform: Platform) -> None:
    permissions = {c.item.id for c in platform.plugins.collect(Plugin.permissions)}
    for contributed in platform.plugins.collect(Plugin.roles):
        assert contributed.item.permissions <= permissions, contributed.item.id


def test_nothing_but_sign_in_is_public(routes: list[KernelRoute]) -> None:
    """Those of operators apart, who are no members of anything: each asks for their token (`test_tenant_life`)."""
    public = {route.plan.operation for route in routes if route.plan.route.public}
    assert {operation for operation in public if not operation.startswith("operator.")} == {
        "auth.login",
        "auth.refresh",
        "auth.list_sign_in_options",
        "auth.start_oidc",
        "auth.oidc_callback",
        "auth.complete_oidc",
        "auth.login_second_factor",
        "auth.forgot_password",
        "auth.reset_password",
        "auth.verify_email",
        "auth.look_at_invitation",
        "auth.accept_invitation",
        # Signed: by the provider, or by the organisation that has sent the link.
        "approvals.call_back",
        "approvals.decide_by_mail",
        "approvals.show_decision",
        "messaging.receive_callback",
        "messaging.show_unsubscribe",
        "messaging.unsubscribe_by_link",
    }


def test_operation_ids_are_unique_and_named_after_their_plugin(routes: list[KernelRoute]) -> None:
    counts = Counter(route.operation_id for route in routes)
    assert [name for name, count in counts.items() if count > 1] == []
    for route in routes:
        assert route.operation_id == route.plan.operation
        assert re.fullmatch(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*", route.plan.operation)
        assert route.summary, route.plan.operation


def test_changes_and_deletions_ask_for_the_version(routes: list[KernelRoute]) -> None:
    """PATCH and DELETE of one object take If-Match, unless it is a link between two or one's own thing."""
    without = set()
    for route in routes:
        if route.plan.route.method in {"PATCH", "DELETE"}:
            headers = [parameter.alias for parameter in _headers(route.dependant)]
            if "if-match" not in headers:
                without.add(route.plan.operation)
    assert without <= {
        "messaging.delete_inbox_item",
        "messaging.delete_device",
        "messaging.delete_address",
        "auth.revoke_session",
    }


def _headers(dependant: Any) -> Iterator[Any]:
    yield from dependant.header_params
    for inner in dependant.dependencies:
        yield from _headers(inner)


# -- models ---------------------------------------------------------------------------------------------------------


def tables(platform: Platform) -> list[tuple[str, type[Any], Table]]:
    """Plugin id, class and table of every contributed model."""
    contributed = platform.plugins.collect(Plugin.models)
    return [(c.plugin_id, c.item, c.item.__table__) for c in contributed]  # type: ignore[union-attr]


def test_tables_are_called_after_their_plugin(platform: Platform) -> None:
    for plugin, cls, table in tables(platform):
        assert table.name.startswith(f"{plugin}_"), cls
        assert issubclass(cls, TenantModel | PlatformModel)


def test_every_mapped_class_of_a_plugin_is_contributed(platform: Platform) -> None:
    known = {cls for _, cls, _ in tables(platform)}
    for plugin in platform.plugins.active:
        modules = type(plugin).__module__.partition(".")[0]
        mapped = {cls for cls in _mapped(TenantModel, PlatformModel) if cls.__module__.partition(".")[0] == modules}
        assert mapped <= known, plugin.id


def _mapped(*bases: type[Any]) -> Iterator[type[Any]]:
    for base in bases:
        for cls in base.__subclasses__():
            yield from _mapped(cls)
            if "__mapper__" in vars(cls):
                yield cls


def test_rows_of_tenants_have_a_tenant_and_others_have_none(platform: Platform) -> None:
    for _, cls, table in tables(platform):
        if issubclass(cls, TenantModel):
            assert table.c.tenant_id.nullable == (table.name in MIXED), table.name
        else:
            assert "tenant_id" not in table.c, table.name


def test_foreign_keys_between_rows_of_tenants_cannot_leave_the_tenant(platform: Platform) -> None:
    of_tenants = {table.name for _, cls, table in tables(platform) if issubclass(cls, TenantModel)}
    for _, _, table in tables(platform):
        for key in _references(table):
            if key.referred_table.name in of_tenants:
                here = [column.name for column in key.columns]
                there = [element.column.name for element in key.elements]
                assert here[0] == there[0] == "tenant_id", f"{table.name}: {here}"


def test_foreign_keys_stay_within_the_plugin_or_point_at_the_kernel(platform: Platform) -> None:
    for plugin, _, table in tables(platform):
        for key in _references(table):
            assert key.referred_table.name.startswith((f"{plugin}_", "kernel_")), table.name


def _references(table: Table) -> Iterator[ForeignKeyConstraint]:
    yield from sorted(table.foreign_key_constraints, key=lambda key: str(key.name))


def test_indexes_of_tenant_tables_begin_with_the_tenant(platform: Platform) -> None:
    """Those excepted that are read across tenants: of the kernel's tables, and by which the tick finds due rows."""
    for plugin, cls, table in tables(platform):
        if issubclass(cls, TenantModel) and plugin != "kernel":
            for index in table.indexes:
                if index.name == f"ix_{table.name}_due":
                    continue
                assert next(iter(index.columns)).name == "tenant_id", index.name


# -- events and functions -------------------------------------------------------------------------------------------


def test_every_event_type_is_published_or_consumed(platform: Platform) -> None:
    triggers = {event.name for c in platform.plugins.collect(Plugin.functions) for event in c.item.events}
    for contributed in platform.plugins.collect(Plugin.event_types):
        event: EventType[Any] = contributed.item
        plugin = platform.plugins.get(contributed.plugin_id)
        assert plugin is not None
        # Other plugins react to some of the events, and import the SDK only.
        sources = _sources(type(plugin).__module__.partition(".")[0]) + _sources("riveredge_sdk")
        variable = next(
            iter(re.findall(rf'^(\w+) = EventType\(\s*"{re.escape(event.name)}"', sources, re.MULTILINE)), ""
        )
        assert variable, f"{event.name} is no constant of {contributed.plugin_id}"
        published = re.search(rf"publish\([^()]*\b{variable}\b", sources)
        assert published or event.name in triggers, event.name


def _sources(package: str) -> str:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(Path(spec.origin).parent.rglob("*.py")))


def test_what_functions_wait_for_is_declared_by_somebody(platform: Platform) -> None:
    declared = {c.item.name for c in platform.plugins.collect(Plugin.event_types)}
    for contributed in platform.plugins.collect(Plugin.functions):
        for event in contributed.item.events:
            assert event.name in declared or event.name.startswith("inngest/"), contributed.item.id


def test_only_the_kernels_functions_and_crons_run_without_a_tenant(platform: Platform) -> None:
    for contributed in platform.plugins.collect(Plugin.functions):
        if contributed.item.system and contributed.plugin_id != "kernel":
            assert contributed.item.events == (), contributed.item.id


# -- pages ----------------------------------------------------------------------------------------------------------

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "THREAT_MODEL.md")),
    *sorted(DOCS.rglob("*.md")),
    *sorted(ROOT.glob("*/README.md")),
    *sorted(ROOT.glob("plugins/*/README.md")),
    ROOT / "tests/exampleplugin/README.md",
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        if anchor:
            assert anchor in _anchors(found), target


def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_linked() -> None:
    linked = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in PAGES
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    }
    for page in DOCS.rglob("*.md"):
        assert page in linked or page.parent in linked, page


def test_code_that_the_threat_model_names_is_there() -> None:
    short = {"kernel/": "kernel/riveredge_kernel/", "sdk/": "sdk/riveredge_sdk/"}
    for name in set(re.findall(r"`([\w/]+\.py)`", (ROOT / "THREAT_MODEL.md").read_text(encoding="utf-8"))):
        long = next((name.replace(prefix, path, 1) for prefix, path in short.items() if name.startswith(prefix)), name)
        assert (ROOT / name).exists() or (ROOT / long).exists(), name


def test_each_threat_names_the_test_that_proves_its_defence() -> None:
    lines = (ROOT / "THREAT_MODEL.md").read_text(encoding="utf-8").partition("## Surfaces")[2].splitlines()
    rows = [line for line in lines if line.startswith("| ") and not line.startswith(("| threat ", "| --- "))]
    assert len(rows) > 100
    unproven = [row.split(" | ")[0] for row in rows if not re.search(r"`[\w/]*tests/[\w/]+\.py`", row)]
    assert unproven == []


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(page.name[:4]) for page in sorted((DOCS / "decisions").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))
    for number, page in enumerate(sorted((DOCS / "decisions").glob("*.md")), 1):
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {number}. ")
        assert all(part in text for part in ("**Context.**", "**Decision.**", "**Consequences.**"))


def test_the_api_document_is_the_committed_one(app: FastAPI) -> None:
    committed = json.loads((DOCS / "openapi.json").read_text(encoding="utf-8"))
    assert openapi.document(app) == committed, "run: riveredge openapi --output docs/openapi.json"
