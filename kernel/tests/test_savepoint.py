"""A part of a unit of work that fails by itself: its rows and events are taken back, the others stay."""

import pytest
from sqlmodel import col, select

from riveredge_example.models import Note
from riveredge_example.schemas import NotePayload
from riveredge_example.service import NOTE_WRITTEN, Notes
from riveredge_kernel.events.models import OutboxEvent
from riveredge_kernel.testing import ThreadedPlatform
from riveredge_sdk import publish, savepoint, unit_of_work
from riveredge_sdk.context import use_context
from riveredge_sdk.testing.platform import TestTenant

pytestmark = pytest.mark.database


class _FailedError(Exception):
    pass


async def _write(title: str) -> None:
    note = await Notes().add(Note(title=title))
    publish(NOTE_WRITTEN, NotePayload(note_id=note.id, author_id=None))


async def _fail() -> None:
    async with savepoint():
        await _write("lost")
        raise _FailedError


def test_what_fails_is_taken_back_and_the_rest_stays(platform: ThreadedPlatform, tenant: TestTenant) -> None:
    async def work() -> tuple[list[str], int]:
        with use_context(platform.context(tenant)):
            async with unit_of_work():
                await _write("before")
                with pytest.raises(_FailedError):
                    await _fail()
                async with savepoint():
                    await _write("kept")
            async with unit_of_work(read_only=True) as session:
                titles = (await session.exec(select(Note.title).order_by(col(Note.title)))).all()
        async with platform.platform.database.system("test", platform.platform.runtime) as session:
            mine = (col(OutboxEvent.tenant_id) == tenant.id, col(OutboxEvent.name) == NOTE_WRITTEN.name)
            return list(titles), len((await session.exec(select(OutboxEvent).where(*mine))).all())

    assert platform.run(work()) == (["before", "kept"], 2)
