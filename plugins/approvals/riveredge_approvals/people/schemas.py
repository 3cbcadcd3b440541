"""People, and sentences about them, in answers."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from riveredge_approvals.people.explaining import Texts

Said = Annotated[list[Texts], Field(description="Sentences, each by language: en and zh-CN.")]


class PersonRef(BaseModel):
    """Somebody."""

    id: UUID
    name: str
