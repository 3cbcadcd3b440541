"""What the answers about all jobs have."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from riveredge_sdk import Resource

Status = Literal["running", "completed", "cancelled", "failed"]


class JobOut(Resource):
    """How far a job is."""

    total: Annotated[int, Field(description="How many there were when it began.")]
    done: Annotated[int, Field(description="How many of them it has come to.")]
    error: Annotated[str, Field(description="Why it failed for good.")]
    finished_at: Annotated[datetime | None, Field(description="Null while it goes on.")]
