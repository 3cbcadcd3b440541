"""Signatures under decisions: drawn, or electronic by proving anew who one is.

Both are about the same: the hash of what is decided. It is the SHA-256 of this as JSON with sorted keys and no spaces,
UTF-8: `comment`, `form` (as the node shows it, with what the decision changes of it), `form_rev`, `instance`,
`outcome`, `task`. The line of the history carries it, and a hash of the signature itself, so that both are under the
chain.
"""

import hashlib
import json
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from riveredge_approvals.engine.case import Case
from riveredge_approvals.instances.forms import shown_form
from riveredge_approvals.ir.document import HumanNode
from riveredge_approvals.models import Task, TaskState
from riveredge_approvals.problems import SignatureRequired
from riveredge_approvals.speech import told
from riveredge_approvals.tasks.drawn import MAX_SIDE, MAX_STROKES, Point, check_png, check_strokes
from riveredge_sdk import Body
from riveredge_sdk.auth import redeem_ticket
from riveredge_sdk.problems import invalid_field

PURPOSE = "approvals.decide"


class DrawnIn(Body):
    """A signature drawn by hand: as strokes, or as a picture."""

    kind: Literal["drawn"]
    width: Annotated[int, Field(ge=1, le=MAX_SIDE, description="Of the field it was drawn in; with strokes.")] = 0
    height: Annotated[int, Field(ge=1, le=MAX_SIDE)] = 0
    strokes: Annotated[
        list[list[Point]] | None,
        Field(max_length=MAX_STROKES, description="Lines of points [x, y] from the upper left corner."),
    ] = None
    png: Annotated[str | None, Field(max_length=200_000, description="A PNG in base64, instead of strokes.")] = None

    @model_validator(mode="after")
    def _is_drawn(self) -> Self:
        if (self.strokes is None) == (self.png is None):
            raise ValueError("give strokes or a png")
        if self.strokes is not None:
            if not self.width or not self.height:
                raise ValueError("strokes need the width and height they were drawn in")
            check_strokes(self.strokes)
            if any(x > self.width or y > self.height for stroke in self.strokes for x, y in stroke):
                raise ValueError("a point lies outside of width and height")
        elif self.png is not None:
            check_png(self.png)
        return self

    def kept(self) -> dict[str, Any]:
        """What is kept of it."""
        if self.png is not None:
            return {"kind": self.kind, "png": self.png}
        strokes = [[list(point) for point in stroke] for stroke in self.strokes or ()]
        return {"kind": self.kind, "width": self.width, "height": self.height, "strokes": strokes}


class ElectronicIn(Body):
    """A proof that it is her, now, and that she means exactly this."""

    kind: Literal["electronic"]
    ticket: Annotated[
        str | None,
        Field(
            max_length=200, description="Of POST /auth/tickets; without one the answer says which purpose and content."
        ),
    ] = None


SignatureIn = Annotated[DrawnIn | ElectronicIn, Field(discriminator="kind")]


async def sign(
    case: Case, task: Task, outcome: TaskState, comment: str, given: DrawnIn | ElectronicIn | None
) -> dict[str, Any] | None:
    """What is kept as the signature of a decision; None where the node wants none.

    Args:
        case: with the form as the decision leaves it.

    Raises:
        SignatureRequired: it is missing, or another kind, and which it is to be.
        ReauthenticationRequired: the ticket is not good for this.
        Invalid: the node wants none.
    """
    wanted = _node(case, task).signature
    if wanted == "none":
        if given is not None:
            raise invalid_field(
                "signature",
                told("On this node nothing is signed; leave it out.", "该节点不需要签名，请去掉此项。"),
                "unexpected",
            )
        return None
    about = content_hash(case, task, outcome, comment)
    if isinstance(given, DrawnIn) and wanted == "drawn":
        return {**given.kept(), "content_hash": about}
    if isinstance(given, ElectronicIn) and wanted == "electronic" and given.ticket is not None:
        proof = await redeem_ticket(given.ticket, purpose=PURPOSE, content_hash=about)
        return {"kind": wanted, "content_hash": about, **proof.model_dump(mode="json")}
    raise SignatureRequired(wanted, purpose=PURPOSE if wanted == "electronic" else None, content_hash=about)


def content_hash(case: Case, task: Task, outcome: TaskState, comment: str) -> str:
    """What a signature is about: see the module."""
    said = {
        "instance": str(case.instance.id),
        "task": str(task.id),
        "outcome": str(outcome),
        "comment": comment,
        "form_rev": case.instance.form_rev,
        # What is hidden from whoever signs cannot be guessed by the hash either.
        "form": shown_form(case.instance.form, [_node(case, task).fields]),
    }
    return "sha256:" + hashlib.sha256(_text(said).encode()).hexdigest()


def _node(case: Case, task: Task) -> HumanNode:
    node = case.node(task.node)
    if not isinstance(node, HumanNode):
        raise TypeError(f"on {task.node!r} nobody is asked")
    return node


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
