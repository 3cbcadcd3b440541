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


class ChoiceOut(BaseModel):
    """The reader chooses who decides on a node: send `choices` with what she does."""

    node: str
    label: str
    min: int
    max: int
    required: bool = Field(description="False once somebody was chosen, who may be replaced.")
    among: list[PersonRef] | None = Field(description="From whom, the first 200; null: from all members.")
    chosen: list[PersonRef]
