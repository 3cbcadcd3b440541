"""`/api/v1/example/notes/{id}/approval`: have a note approved, through the port of approvals."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from riveredge_example.routes import READ, WRITE, notes
from riveredge_sdk import Body, Router, Subject, get_service
from riveredge_sdk.features.approvals import APPROVALS

router = Router(prefix="/notes/{note_id}/approval", tag="Example: notes", audit="example.note")


class SubmitIn(Body):
    """By which process."""

    process: Annotated[str, Field(min_length=1, max_length=100, description="Its key.")]


class Approval(BaseModel):
    """How the approval of a note stands."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    number: str
    status: str
    nodes: list[str]


@router.post(require=WRITE, summary="Have a note approved")
async def submit_note(note_id: UUID, body: SubmitIn) -> Approval:
    about = Subject("example.note", (await notes.get(note_id)).id)
    started = await get_service(APPROVALS).start(body.process, {}, subject=about)
    return Approval.model_validate(await get_service(APPROVALS).state(started))


@router.get(require=READ, summary="How a note's approvals stand")
async def list_approvals(note_id: UUID) -> list[Approval]:
    about = Subject("example.note", (await notes.get(note_id)).id)
    return [Approval.model_validate(state) for state in await get_service(APPROVALS).states_of(about)]


@router.post("/withdraw", require=WRITE, status=204, summary="Take a note's approval back")
async def withdraw_approval(note_id: UUID) -> None:
    """The latest."""
    about = Subject("example.note", (await notes.get(note_id)).id)
    for state in list(await get_service(APPROVALS).states_of(about))[:1]:
        await get_service(APPROVALS).withdraw(state.id, reason="The note is not to be approved.")
