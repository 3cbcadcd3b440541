"""The live stream as a browser meets it: pushes after the commit, in order, and what was missed."""

import pytest

from riveredge_sdk.testing.platform import ApiClient
from riveredge_sdk.testing.plugin import OpenStream

NOTES = "/api/v1/example/notes"
pytestmark = pytest.mark.database


def write(client: ApiClient, title: str = "Milk") -> str:
    """A new note's id."""
    answer = client.post(NOTES, json={"title": title})
    assert answer.status_code == 201, answer.text
    note_id: str = answer.json()["id"]
    return note_id


def test_a_push_arrives_with_ids_only(client: ApiClient, stream: OpenStream) -> None:
    live = stream(client)
    start = live.subscribe("example.notes")
    assert start == {"type": "subscribed", "topic": "example.notes", "key": None, "seq": 0}
    note = write(client, "Secret plans")
    message = live.next()
    assert message["what"] == "written"
    assert message["data"] == {"note": note}
    assert "Secret" not in str(message)


def test_pushes_are_numbered_without_gaps(client: ApiClient, stream: OpenStream) -> None:
    live = stream(client)
    live.subscribe("example.notes")
    notes = [write(client) for _ in range(5)]
    told = [live.next() for _ in notes]
    assert [message["data"]["note"] for message in told] == notes
    first = told[0]["seq"]
    assert [message["seq"] for message in told] == list(range(first, first + 5))


def test_what_was_missed_comes_again_and_nothing_twice(client: ApiClient, stream: OpenStream) -> None:
    live = stream(client)
    live.subscribe("example.notes")
    write(client)
    seen = live.next()["seq"]
    live.close()
    missed = [write(client) for _ in range(3)]
    again = stream(client)
    assert again.subscribe("example.notes", since=seen)["seq"] == seen
    assert [again.next()["data"]["note"] for _ in missed] == missed
    later = write(client)
    assert again.next()["data"]["note"] == later
