"""Migrations, plugin by plugin, on both databases."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import riveredge_kernel.kernel_plugin
import riveredge_messaging.models
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.schema import OutdatedSchemaError, fail_outdated
from riveredge_kernel.settings import DatabaseSettings, Settings
from riveredge_migrations.directories import MigrationDirectory
from riveredge_migrations.operations import APP_ROLE, SYSTEM_ROLE
from riveredge_migrations.runner import MigrationError, MigrationRunner

pytestmark = pytest.mark.database
Query = Callable[[str], list[Any]]
Revise = Callable[..., MigrationDirectory]
Make = Callable[..., MigrationRunner]

BOTH = ("messaging", "example")
# Tables are compared with the models that are loaded.
MODELS = (riveredge_kernel.kernel_plugin, riveredge_messaging.models)

TABLE = """op.create_table("{0}", sa.Column("id", sa.Integer(), primary_key=True))"""
DROP = """op.drop_table("{0}")"""


def table(name: str) -> dict[str, str]:
    """A revision that makes a table."""
    return {"upgrade": TABLE.format(name), "downgrade": DROP.format(name)}


def test_everything_is_brought_to_its_newest_revision(runner: Make) -> None:
    made = runner(order=BOTH)
    before = {status.plugin: status.pending for status in made.status()}
    assert before["kernel"][0] == "0001"
    results = made.upgrade()
    assert [(result.plugin, result.ok, result.error) for result in results] == [
        ("kernel", True, ""),
        ("messaging", True, ""),
        ("example", True, ""),
    ]
    assert {status.plugin: status.pending for status in made.status()} == {"kernel": (), "messaging": (), "example": ()}
    assert [result.ok for result in made.upgrade()] == [True] * 3


@pytest.mark.parametrize("plugin", ["kernel", "messaging"])
def test_tables_equal_models(runner: Make, plugin: str) -> None:
    made = runner(order=BOTH)
    made.upgrade()
    assert made.check(plugin) == []


def test_a_difference_is_told(runner: Make, query: Query) -> None:
    made = runner(order=BOTH)
    made.upgrade()
    query("ALTER TABLE messaging_message DROP COLUMN correlation")
    assert "correlation" in str(made.check("messaging"))
    assert made.check("kernel") == []


def test_an_uninstalled_plugin_is_in_nobody_s_way(runner: Make, revise: Revise, query: Query) -> None:
    crm = revise("crm", **table("crm_deal"))
    assert all(result.ok for result in runner(crm, order=("crm",)).upgrade())
    query("INSERT INTO crm_deal (id) VALUES (7)")
    without = runner(order=BOTH)
    assert all(result.ok for result in without.upgrade())
    status = {line.plugin: line for line in without.status()}
    assert (status["crm"].current, status["crm"].installed) == ("0001", False)
    assert query("SELECT id FROM crm_deal") == [(7,)]
    revise("crm", **table("crm_offer"))
    again = runner(crm, order=("crm",))
    assert {line.plugin: line.pending for line in again.status()}["crm"] == ("0002",)
    assert all(result.ok for result in again.upgrade())
    assert query("SELECT id FROM crm_deal") == [(7,)]


def test_a_failing_migration_leaves_nothing_and_stops_nobody(runner: Make, revise: Revise, query: Query) -> None:
    revise("crm", **table("crm_deal"))
    crm = revise("crm", upgrade=TABLE.format("crm_offer") + '\nop.execute("INSERT INTO crm_deal VALUES (1)")\n1 / 0')
    results = {result.plugin: result for result in runner(crm, order=("crm", *BOTH)).upgrade()}
    assert not results["crm"].ok
    assert "ZeroDivisionError" in results["crm"].error
    assert results["messaging"].ok
    assert results["example"].ok
    status = {line.plugin: line for line in runner(crm, order=("crm",)).status()}["crm"]
    assert (status.current, status.pending) == (None, ("0001", "0002"))
    # The names are free again: not even the first revision's table is there.
    query("CREATE TABLE crm_deal (id INTEGER)")
    query("CREATE TABLE crm_offer (id INTEGER)")


def test_nothing_goes_on_without_the_kernel(runner: Make, revise: Revise) -> None:
    kernel = revise("kernel", upgrade="1 / 0")
    results = runner(kernel, order=BOTH).upgrade()
    assert [(result.plugin, result.ok) for result in results] == [("kernel", False)]


def test_one_plugin_goes_back_and_forth_alone(runner: Make, query: Query) -> None:
    made = runner(order=BOTH)
    made.upgrade()
    assert made.downgrade("example", "base").ok
    status = {line.plugin: line.current for line in made.status()}
    assert status == {"kernel": "0001", "messaging": "0001", "example": None}
    assert [result.plugin for result in made.upgrade("example")] == ["example"]
    assert query("SELECT count(*) FROM example_note") == [(0,)]


def test_purging_drops_a_plugin_s_tables_only(runner: Make, revise: Revise, query: Query) -> None:
    crm = revise("crm", **table("crm_deal"))
    mail = revise("crm_mail", **table("crm_mail_box"))
    runner(crm, mail, order=("crm", "crm_mail")).upgrade()
    # A longer id with the same beginning is another plugin.
    assert runner(mail, order=("crm_mail",)).purge("crm") == ["crm_deal"]
    assert query("SELECT count(*) FROM crm_mail_box") == [(0,)]
    with pytest.raises(MigrationError, match="everybody's"):
        runner().purge("kernel")


def test_an_unknown_plugin_is_refused(runner: Make) -> None:
    with pytest.raises(MigrationError, match="no installed plugin 'nowhere'"):
        runner().upgrade("nowhere")


def test_migrators_wait_for_each_other(runner: Make) -> None:
    outcomes: list[bool] = []

    def migrate() -> None:
        outcomes.extend(result.ok for result in runner(order=BOTH).upgrade())

    threads = [threading.Thread(target=migrate) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [True] * 9


def test_the_next_revision_sees_its_own_plugin_only(runner: Make, revise: Revise, query: Query) -> None:
    crm = revise("crm", **table("crm_deal"))
    made = runner(crm, order=("crm", *BOTH))
    made.upgrade()
    query("ALTER TABLE messaging_message DROP COLUMN correlation")
    query("CREATE TABLE crm_extra (id INTEGER)")
    written = made.revision("crm", "drop what no model has").read_text()
    assert "crm_extra" in written
    assert "messaging" not in written
    assert "kernel" not in written


def test_a_revision_needs_a_database_that_is_up_to_date(runner: Make, revise: Revise) -> None:
    crm = revise("crm", **table("crm_deal"))
    with pytest.raises(MigrationError, match="db upgrade"):
        runner(crm, order=("crm",)).revision("crm", "more")


def test_tenant_tables_are_behind_the_second_wall(runner: Make, query: Query, database_kind: str) -> None:
    if database_kind == "sqlite":
        pytest.skip("SQLite has no row-level security")
    runner(order=BOTH).upgrade()
    with_tenant = {
        row[0] for row in query("SELECT table_name FROM information_schema.columns WHERE column_name = 'tenant_id'")
    }
    guarded = {row[0] for row in query("SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity")}
    assert with_tenant == guarded
    policies = query("SELECT tablename, qual, with_check FROM pg_policies")
    assert {row[0] for row in policies} == with_tenant
    assert all("app.tenant_id" in row[1] and "app.tenant_id" in row[2] for row in policies)
    for role in (APP_ROLE, SYSTEM_ROLE):
        grants = "SELECT table_name FROM information_schema.role_table_grants WHERE privilege_type = 'UPDATE'"
        granted = query(f"{grants} AND grantee = '{role}'")
        assert with_tenant <= {row[0] for row in granted}


def test_a_plugin_whose_tables_are_behind_is_left_out(runner: Make, url: str, tmp_path: Path) -> None:
    settings = Settings(var_dir=tmp_path, database=DatabaseSettings(url=url))
    host = PluginHost.load(settings.plugins)
    with pytest.raises(OutdatedSchemaError, match="db upgrade"):
        fail_outdated(settings, host)
    runner().upgrade("kernel", "messaging")
    fail_outdated(settings, host)
    states = {report.id: (report.state, report.reason) for report in host.report()}
    assert states["messaging"] == ("active", "")
    assert states["example"][0] == "failed: schema"
    assert "empty, not at 0001: run `riveredge db upgrade`" in states["example"][1]
