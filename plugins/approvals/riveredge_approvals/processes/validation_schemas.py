"""Bodies and answers of validation."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from riveredge_sdk import Body


class ValidateIn(Body):
    """What is validated: the draft, or a drawing that was not kept yet."""

    diagram: Annotated[dict[str, Any] | None, Field(description="A drawing, `flow/1`. None: the draft.")] = None
    form_schema: Annotated[dict[str, Any] | None, Field(description="Its form. None: the draft's.")] = None


class IssueOut(BaseModel):
    """One finding, about a node, an edge, or the whole."""

    code: str = Field(description="The same in all languages: `noDefault`, `unknownRole`, …")
    severity: Literal["error", "warning", "info"] = Field(
        description="Errors keep it from being published; warnings are acknowledged when it is."
    )
    node: str | None = None
    edge: str | None = None
    message: str = Field(description="For people, in the language of Accept-Language.")
    details: dict[str, Any] = Field(description="What the message speaks of: `field`, `id`, `reason`, …")


class ValidationOut(BaseModel):
    """What validation has found."""

    revision: int | None = Field(description="The draft's that was validated; null for a drawing of the body.")
    valid: bool = Field(description="There are no errors.")
    errors: int
    warnings: int
    issues: list[IssueOut] = Field(description="Errors first; 200 at most.")
