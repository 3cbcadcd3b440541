"""The directory passes what every plugin should."""

from typing import ClassVar

from riveredge_directory import plugin
from riveredge_sdk import Plugin
from riveredge_sdk.testing.platform import ApiClient
from riveredge_sdk.testing.suites import PluginSuite, TenancySuite

from .org import Org


class TestDirectory(PluginSuite):
    plugin: ClassVar[Plugin] = plugin


class TestTenancyOfDirectory(TenancySuite):
    plugin: ClassVar[Plugin] = plugin

    def seed(self, client: ApiClient) -> None:
        org = Org(client)
        me = org.me(client)
        top = org.department("secret")
        position = org.post("positions", key="secret", title="Secret")
        org.post("memberships", user_id=me, department_id=top, position_id=position["id"])
        org.post("department-heads", user_id=me, department_id=top)
        group = org.post("groups", key="secret", name="Secret")
        org.post(f"groups/{group['id']}/members", department_id=top)
        org.post("absences", user_id=me)
