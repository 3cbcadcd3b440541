"""Migrations: each plugin's by itself, all of them or none."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from riveredge_kernel.kernel_plugin import KernelPlugin
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.schema import OutdatedSchemaError, fail_outdated
from riveredge_kernel.settings import PluginHostSettings, Settings
from riveredge_migrations.directories import find_directories
from riveredge_migrations.runner import MigrationError, MigrationRunner
from riveredge_sdk.plugin import Plugin
from riveredge_sdk.testing.commands import run_command

pytestmark = pytest.mark.database

# Tables are compared with the models of all plugins.
PluginHost.load(PluginHostSettings(), builtin=[KernelPlugin()]).collect(Plugin.models)

ONE = "CREATE TABLE crm_1 (id INTEGER)"
TWO = "CREATE TABLE crm_2 (id INTEGER)"
MAIL = "CREATE TABLE crm_mail_1 (id INTEGER)"
OTHER = "CREATE TABLE hr_1 (id INTEGER)"
BROKEN = "CREATE TABLE crm_3 (id INTEGER); INSERT INTO crm_1 VALUES (1); SELECT * FROM not_there"


class Crm(Plugin):
    """A plugin without anything but its tables."""

    id = "crm"
    title = "CRM"


class Reports(Plugin):
    """One that needs it."""

    id = "reports"
    title = "Reports"
    requires = ("crm",)


def outcome(results: Any) -> list[tuple[str, bool, str | None]]:
    """Plugin, success and revision."""
    return [(result.plugin, result.ok, result.revision) for result in results]


def test_upgrade_brings_every_installed_plugin_up(url: str, tables: Any) -> None:
    order = ["messaging", "directory", "example", "scheduling", "approvals"]
    runner = MigrationRunner(url, order=order)
    results = runner.upgrade()
    assert [(r.plugin, r.error) for r in results] == [(plugin, "") for plugin in ("kernel", *order)]
    assert tables("example_") == {"example_note", "example_tag", "example_chime"}
    assert all(line.current == line.head and not line.pending for line in runner.status())
    for plugin in ("kernel", *order):
        assert runner.check(plugin) == []
    # A second time there is nothing to do.
    assert outcome(runner.upgrade()) == outcome(results)


def test_status_and_check_tell_what_is_missing(url: str, query: Any, revisions: Any) -> None:
    runner = MigrationRunner(url, order=["example"])
    before = {line.plugin: line for line in runner.status()}
    assert before["example"].current is None
    assert before["example"].pending[0] == "0001"
    assert any("example_note" in difference for difference in runner.check("example"))
    runner.upgrade()
    query("ALTER TABLE example_tag DROP COLUMN word")
    assert any("word" in difference for difference in runner.check("example"))


def test_an_uninstalled_plugin_stops_nobody(url: str, tables: Any, revisions: Any) -> None:
    found = find_directories()
    crm = found | {"crm": revisions("crm", ONE)}
    MigrationRunner(url, order=["crm"], directories=crm).upgrade()
    without = MigrationRunner(url, order=["example"], directories=found)
    assert [(r.plugin, r.ok) for r in without.upgrade()] == [("kernel", True), ("example", True)]
    left = {line.plugin: line for line in without.status()}["crm"]
    assert (left.installed, left.current, left.head) == (False, "0001", None)
    assert tables("crm_") == {"crm_1"}
    # Installed again, in a newer version, it goes on where it was.
    again = MigrationRunner(url, order=["crm"], directories=found | {"crm": revisions("crm", ONE, TWO)})
    assert outcome(again.upgrade("crm")) == [("crm", True, "0002")]
    assert tables("crm_") == {"crm_1", "crm_2"}


def test_a_failing_migration_rolls_back_whole_and_the_others_go_on(
    url: str, tables: Any, query: Any, revisions: Any
) -> None:
    directories = find_directories() | {
        "crm": revisions("crm", ONE, TWO, BROKEN),
        "hr": revisions("hr", "CREATE TABLE hr_1 (id INTEGER)"),
    }
    runner = MigrationRunner(url, order=["crm", "hr"], directories=directories)
    results = {result.plugin: result for result in runner.upgrade()}
    assert not results["crm"].ok
    assert "not_there" in results["crm"].error
    assert results["hr"].ok
    # Also what its earlier, good revisions made in the same run is gone.
    assert tables("crm_") == set()
    assert tables("hr_") == {"hr_1"}
    assert {line.plugin: line.current for line in runner.status()}["crm"] is None
    # Mended, it runs.
    revisions("crm", ONE, TWO, "CREATE TABLE crm_3 (id INTEGER)")
    assert outcome(runner.upgrade("crm")) == [("crm", True, "0003")]


def test_a_plugin_whose_tables_are_old_does_not_run(url: str, revisions: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    directories = find_directories() | {"crm": revisions("crm", ONE, BROKEN)}
    monkeypatch.setattr("riveredge_migrations.runner.find_directories", lambda: directories)
    settings = Settings.model_validate({"database": {"url": url}})
    installed = PluginHostSettings(allow=["example"])

    def load() -> PluginHost:
        return PluginHost.load(installed, builtin=[KernelPlugin()], extra=[Crm(), Reports()])

    with pytest.raises(OutdatedSchemaError, match="riveredge db upgrade"):
        fail_outdated(settings, load())
    MigrationRunner(url, order=["example", "crm"]).upgrade()
    host = load()
    fail_outdated(settings, host)
    states = {report.id: report.state for report in host.report()}
    assert (states["crm"], states["reports"]) == ("failed: schema", "failed: requires")
    assert {plugin.id for plugin in host.active} == {"kernel", "example"}
    reason = {report.id: report.reason for report in host.report()}["crm"]
    assert reason == "its tables are empty, not at 0002: run `riveredge db upgrade`"


def test_code_that_is_older_than_the_database_is_told_so(
    url: str, revisions: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directories = find_directories() | {"crm": revisions("crm", ONE, TWO)}
    monkeypatch.setattr("riveredge_migrations.runner.find_directories", lambda: directories)
    MigrationRunner(url, order=["crm"]).upgrade()
    (tmp_path / "crm" / "0002_step.py").unlink()
    (crm,) = (line for line in MigrationRunner(url, order=["crm"]).status() if line.plugin == "crm")
    assert (crm.current, crm.head, crm.ahead, crm.pending) == ("0002", "0001", True, ())
    host = PluginHost.load(PluginHostSettings(allow=["example"]), builtin=[KernelPlugin()], extra=[Crm()])
    fail_outdated(Settings.model_validate({"database": {"url": url}}), host)
    reasons = {report.id: report.reason for report in host.report()}
    assert "The code is older than the database" in reasons["crm"]
    assert "riveredge db upgrade" not in reasons["crm"]


def test_without_the_kernel_nothing_goes_on(url: str, tables: Any, revisions: Any) -> None:
    directories = {"kernel": revisions("kernel", "SELECT * FROM not_there"), "crm": revisions("crm", ONE)}
    results = MigrationRunner(url, order=["crm"], directories=directories).upgrade()
    assert [(r.plugin, r.ok) for r in results] == [("kernel", False)]
    assert tables("crm_") == set()


def test_a_new_revision_is_about_the_plugins_own_tables(url: str, revisions: Any) -> None:
    found = find_directories()
    # An empty past: all of the example's tables are new, and nobody else's.
    directories = {"kernel": found["kernel"], "example": revisions("example")}
    runner = MigrationRunner(url, order=["example"], directories=directories)
    runner.upgrade()
    path = runner.revision("example", "all of it")
    written = path.read_text()
    assert path.name == "0001_all_of_it.py"
    for expected in ('"example_note"', '"example_tag"', 'secure("example_note")', 'secure("example_tag")'):
        assert expected in written
    for foreign in ('"kernel_tenant",', '"kernel_user"', '"messaging_', "drop_table", "alembic_version"):
        assert foreign not in written.partition("def downgrade")[0]


def test_new_revisions_run_and_are_whole(url: str, revisions: Any) -> None:
    found = find_directories()
    plugins = [plugin for plugin in found if plugin != "kernel"]
    directories = {"kernel": found["kernel"]} | {plugin: revisions(plugin) for plugin in plugins}
    runner = MigrationRunner(url, order=plugins, directories=directories)
    runner.upgrade()
    for plugin in plugins:
        written = runner.revision(plugin, "all of it").read_text()
        assert "riveredge_sdk" not in written, "a migration depends on no code that may change after it"
        assert "Sealed" not in written
    assert outcome(runner.upgrade())[1:] == [(plugin, True, "0001") for plugin in plugins]
    assert [runner.check(plugin) for plugin in plugins] == [[] for _ in plugins]


def test_a_revision_needs_an_upgraded_database(url: str, revisions: Any) -> None:
    runner = MigrationRunner(url, order=["crm"], directories=find_directories() | {"crm": revisions("crm", ONE)})
    with pytest.raises(MigrationError, match="riveredge db upgrade"):
        runner.revision("crm", "too early")


def test_downgrade(url: str, tables: Any, revisions: Any) -> None:
    directories = find_directories() | {"crm": revisions("crm", ONE, TWO)}
    runner = MigrationRunner(url, order=["example", "crm"], directories=directories)
    runner.upgrade()
    assert outcome([runner.downgrade("crm", "-1")]) == [("crm", True, "0001")]
    assert tables("crm_") == {"crm_1"}
    assert outcome([runner.downgrade("crm", "base")]) == [("crm", True, None)]
    assert tables("crm_") == set()
    assert tables("example_") == {"example_note", "example_tag", "example_chime"}
    assert not runner.downgrade("crm", "nowhere").ok
    with pytest.raises(MigrationError, match="no installed plugin 'nobody'"):
        runner.downgrade("nobody", "base")


def test_purge_drops_one_plugins_tables(url: str, tables: Any, revisions: Any) -> None:
    found = find_directories()
    # A longer id with the same beginning owns its own tables.
    both = found | {
        "crm": revisions("crm", ONE),
        "crm_mail": revisions("crm_mail", "CREATE TABLE crm_mail_1 (id INTEGER)"),
    }
    MigrationRunner(url, order=["crm", "crm_mail"], directories=both).upgrade()
    without = MigrationRunner(url, directories=found)
    assert without.purge("crm") == ["crm_1"]
    assert tables("crm_") == {"crm_mail_1"}
    assert "crm" not in {line.plugin for line in without.status()}
    assert without.purge("crm") == []
    with pytest.raises(MigrationError, match="drop the database instead"):
        without.purge("kernel")
    again = MigrationRunner(url, order=["crm"], directories=both)
    assert outcome(again.upgrade("crm")) == [("crm", True, "0001")]


def test_migrators_wait_for_one_another(url: str, tables: Any) -> None:
    def upgrade(_: int) -> Any:
        return MigrationRunner(url, order=["example"]).upgrade()

    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(upgrade, range(4)))
    assert [(r.plugin, r.error) for results in runs for r in results] == 4 * [("kernel", ""), ("example", "")]
    assert tables("example_") == {"example_note", "example_tag", "example_chime"}


# Nobody who serves tenants changes what was logged, opens the log, or sees what operators import.
_CLOSED = ("kernel_audit_maintenance", "kernel_import_part")
_WITHHELD = {
    "SELECT": _CLOSED,
    "INSERT": _CLOSED,
    "UPDATE": ("kernel_audit", *_CLOSED),
    "DELETE": ("kernel_audit", *_CLOSED),
}


def test_every_tenant_table_is_secured_and_granted(url: str, query: Any, tables: Any) -> None:
    if url.startswith("sqlite"):
        # The operations do nothing here, and the same migrations run.
        MigrationRunner(url, order=["messaging", "example"]).upgrade()
        assert tables("messaging_")
        return
    MigrationRunner(url, order=["messaging", "example"]).upgrade()
    secured = query(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relrowsecurity AND relforcerowsecurity"
        " AND EXISTS (SELECT FROM pg_policy WHERE polrelid = pg_class.oid AND polqual IS NOT NULL"
        " AND polwithcheck IS NOT NULL)"
    )
    tenants = query(
        "SELECT table_name FROM information_schema.columns WHERE column_name = 'tenant_id' AND table_schema = 'public'"
    )
    assert set(tenants) == set(secured)
    assert {("example_note",), ("messaging_message",), ("kernel_membership",)} & set(tenants)
    for role in ("riveredge_app", "riveredge_system"):
        for right in ("SELECT", "INSERT", "UPDATE", "DELETE"):
            lacking = query(
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
                f" AND relname NOT LIKE 'alembic%' AND NOT has_table_privilege('{role}', oid, '{right}')"
            )
            withheld = {(table,) for table in _WITHHELD[right]} if role == "riveredge_app" else set()
            assert set(lacking) == withheld


def test_a_plugin_that_does_not_run_gets_no_revision(url: str) -> None:
    # Its models are not known, so all of its tables would be dropped.
    environment = os.environ | {"RIVEREDGE_PLUGINS__DENY": '["example"]', "RIVEREDGE_DATABASE__URL": url}
    done = run_command("riveredge", "db", "revision", "example", "-m", "wrong", env=environment)
    assert done.returncode == 1
    assert "The plugin 'example' does not run, so its models are not known: disabled denied by" in done.stderr
