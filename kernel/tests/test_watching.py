"""Plugins are told of the events that organisations choose, and of no others."""

from collections.abc import Collection, Iterable, Sequence
from typing import ClassVar
from uuid import UUID

import pytest

from riveredge_sdk import EventType, Plugin
from riveredge_sdk.testing.platform import ApiClient, PlatformUnderTest, TestTenant
from riveredge_sdk.testing.plugin import AsUser
from riveredge_sdk.watching import EventWatcher, WatchedEvent

NOTES = "/api/v1/example/notes"


class Broken(EventWatcher):
    """Fails whenever it is asked."""

    id = "clumsy.watcher"
    event = EventType("clumsy/event.seen", WatchedEvent, "Never seen")

    async def names(self, tenant_id: UUID) -> Collection[str]:
        raise RuntimeError("no more ink")


class Clumsy(Plugin):
    """Stands in everybody's way, if that were possible."""

    id: ClassVar[str] = "clumsy"
    title: ClassVar[str] = "Clumsy"

    def event_watchers(self) -> Iterable[EventWatcher]:
        return (Broken(),)


@pytest.fixture
def platform_plugins() -> Sequence[type[Plugin]]:
    return (Clumsy,)


@pytest.mark.database
def test_what_an_organisation_has_chosen_is_told(
    platform: PlatformUnderTest, client: ApiClient, as_user: AsUser, other_tenant: TestTenant
) -> None:
    stranger = as_user(platform.permissions, tenant=other_tenant)

    def noted(who: ApiClient) -> list[str]:
        platform.settle()
        return [note["title"] for note in who.get(NOTES).json()["items"]]

    def choose(event: str) -> None:
        saved = client.put("/api/v1/settings/example", json={"diary": event})
        assert saved.status_code == 200, saved.text

    def switch(who: ApiClient) -> None:
        for enabled in (False, True):
            assert who.put("/api/v1/plugins/scheduling", json={"enabled": enabled}).status_code == 200

    switch(client)
    assert noted(client) == []
    choose("kernel/plugin.switched")
    switch(client)
    switch(stranger)
    assert (noted(client), noted(stranger)) == (["kernel/plugin.switched"] * 2, [])
    text = client.get(NOTES).json()["items"][0]["text"]
    assert text.endswith("['enabled', 'plugin']")
    # Its own events are not told: else a note would set off the next one.
    choose("example/note.written")
    assert client.post(NOTES, json={"title": "Milk"}).status_code == 201
    assert len(noted(client)) == 3
