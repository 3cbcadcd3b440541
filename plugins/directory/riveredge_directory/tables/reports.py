"""What came of an import, or would come of it: line by line."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from riveredge_directory.tables.columns import Kind
from riveredge_directory.tables.files import Encoding
from riveredge_sdk.problems import FieldError

Action = Literal["created", "changed", "unchanged", "failed"]


class Change(BaseModel):
    """What is another one afterwards; null for what is not there."""

    column: Annotated[str, Field(description="As the file calls it.")]
    before: str | None
    after: str | None


class CellError(BaseModel):
    """What is wrong with a cell, and how to mend it."""

    column: Annotated[str, Field(description="As the file calls it.")]
    value: str
    message: str
    code: str


class LineReport(BaseModel):
    """What a line does."""

    line: Annotated[
        int, Field(description="As editors and spreadsheets count; the names of the columns are in line 1.")
    ]
    subject: Annotated[str, Field(description="The code of the department, or the address of the person.")]
    action: Action
    changes: list[Change] = Field(default_factory=list)
    errors: list[CellError] = Field(default_factory=list)

    def problems(self) -> list[FieldError]:
        """Its errors as a problem has them."""
        return [
            FieldError(f"lines.{self.line}.{error.column}", f"{error.value!r}: {error.message}", error.code)
            for error in self.errors
        ]


class ImportReport(BaseModel):
    """What an import did; of a dry run, what it would do."""

    kind: Kind
    dry_run: bool
    encoding: Encoding
    separator: str
    ignored: Annotated[list[str], Field(description="Columns that are not known, of which nothing is taken.")]
    created: int
    changed: int
    unchanged: int
    failed: Annotated[int, Field(description="With any, nothing can be imported.")]
    lines: list[LineReport]
