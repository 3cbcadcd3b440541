"""Decisions that are signed: drawn, or by proving anew who one is."""

import base64
import struct
import zlib
from typing import Any
from uuid import UUID

import pytest

from riveredge_approvals.effects import links
from riveredge_approvals.models import Task
from riveredge_approvals.permissions import REQUEST_USE
from riveredge_approvals.tasks.drawn import check_png
from riveredge_kernel.testing import ThreadedPlatform
from riveredge_sdk import session, unit_of_work, utcnow
from riveredge_sdk.context import use_context
from riveredge_sdk.testing.platform import ApiClient, TestTenant
from riveredge_sdk.testing.plugin import AsUser

from .drawings import approver
from .requests import API, Publish, decide, ended, submit, todo, user_of


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(*, side: int = 8, lines: int | None = None, extra: bytes = b"", cut: int = 0) -> str:
    """A grey square; `lines` of pixels are in it, whatever it says of itself."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes((side + 1) * (side if lines is None else lines)))
    raw = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return base64.b64encode(raw[: len(raw) - cut]).decode()


@pytest.mark.parametrize(
    ("picture", "why"),
    [
        (png(side=2001), "2000 by 2000"),
        (png(lines=9), "not whole"),
        (png(lines=7), "not whole"),
        # A megabyte that says it is a few bytes: it is not unpacked further than it says.
        (png(lines=1_000_000), "not whole"),
        (png(extra=chunk(b"tEXt", b"Comment\0<script>")), "tEXt"),
        (png(cut=1), "not whole"),
        (png(extra=chunk(b"IHDR", b"\0" * 13)), "not whole"),
        (base64.b64encode(b"<svg onload=x>").decode(), "expected a PNG"),
        (base64.b64encode(bytes(200_000)).decode(), "at most"),
        ("???", "base64"),
    ],
)
def test_pictures_are_looked_at(picture: str, why: str) -> None:
    assert check_png(png()) == png()
    with pytest.raises(ValueError, match=why):
        check_png(picture)


@pytest.mark.database
def test_decisions_are_signed(  # noqa: PLR0917
    as_user: AsUser,
    anonymous: ApiClient,
    published: Publish,
    platform: ThreadedPlatform,
    tenant: TestTenant,
    client: ApiClient,
) -> None:
    li, wang, zhao = (as_user({REQUEST_USE}, locale="en") for _ in range(3))
    process = published(
        approver("drawn", user=user_of(wang), signature="drawn"),
        approver("proven", user=user_of(zhao), signature="electronic", fields={"note": "edit", "amount": "hidden"}),
        approver("plain", user=user_of(wang), repeat_approver="none"),
    )
    request = submit(li, process, form={"amount": 7})
    task = todo(wang)
    missing = decide(wang, task)
    assert (missing.status_code, missing.json()["type"].split(":")[-1]) == (422, "signature-required")
    assert missing.json()["signature"] == "drawn"
    assert decide(wang, task, signature={"kind": "electronic", "ticket": "x"}).json()["signature"] == "drawn"
    drawn: dict[str, Any] = {"kind": "drawn", "width": 300, "height": 100, "strokes": [[[1, 2], [30, 40]], [[5, 6]]]}
    for wrong in (
        {**drawn, "strokes": []},
        {**drawn, "strokes": [[[1, 1], [1, 1]]]},
        {**drawn, "strokes": [[[1, 1], [301, 1]]]},
        {**drawn, "strokes": [[[1, 1], [2, -1]]]},
        {**drawn, "width": 0},
        {**drawn, "png": png()},
        {"kind": "drawn", "png": png(lines=3)},
        {"kind": "thumb"},
    ):
        refused = decide(wang, task, signature=wrong)
        assert (refused.status_code, refused.json()["errors"][0]["field"].split(".")[0]) == (422, "signature"), wrong
    assert decide(wang, task, signature=drawn).status_code == 200
    kept = wang.get(f"{API}/tasks/{task['id']}").json()["decision"]["signature"]
    assert kept["strokes"] == drawn["strokes"]
    # Whoever holds a link from a mail has not proven who she is.
    task = todo(zhao)

    async def link() -> str:
        with use_context(platform.context(tenant)):
            async with unit_of_work():
                row = await session().get(Task, UUID(task["id"]))
                assert row is not None
                later = utcnow().replace(year=utcnow().year + 1)
                return await links.give_out(
                    "decide", instance_id=row.instance_id, visit_id=row.visit_id, task=row, expires_at=later
                )

    address = f"{API}/decide/{platform.run(link())}"
    for answer in (anonymous.get(address), anonymous.post(address, data={"decision": "approve"})):
        assert ("sign in" in answer.text, f"/approvals/instances/{request['id']}" in answer.text) == (True, True)
    # A ticket is for this request as it stands, this outcome and these words.
    said: dict[str, Any] = {"comment": "Seen", "form": {"note": "mine"}}
    asked = decide(zhao, task, **said, signature={"kind": "electronic"}).json()
    assert (asked["signature"], asked["purpose"]) == ("electronic", "approvals.decide")
    wanted = {name: asked[name] for name in ("purpose", "content_hash")}
    ticket = zhao.post("/api/v1/auth/tickets", json=wanted).json()["ticket"]
    signature = {"kind": "electronic", "ticket": ticket}
    for act, other in (("reject", said), ("approve", {**said, "comment": ""}), ("approve", {"comment": "Seen"})):
        assert decide(zhao, task, act, **other, signature=signature).status_code == 403
    forged = decide(zhao, task, **said, signature={"kind": "electronic", "ticket": f"{ticket}_"})
    assert forged.json()["type"].endswith("reauthentication-required")
    bulk = zhao.post(f"{API}/tasks/bulk", json={"action": "approve", "task_ids": [task["id"]]}).json()
    assert bulk["items"][0]["problem"]["signature"] == "electronic"
    signed = decide(zhao, task, **said, signature=signature)
    assert signed.status_code == 200, signed.text
    kept = zhao.get(f"{API}/tasks/{task['id']}").json()["decision"]["signature"]
    assert (kept["user_id"], kept["content_hash"]) == (str(user_of(zhao)), wanted["content_hash"])
    assert ticket not in str(kept)
    task = todo(wang, "plain")
    assert decide(wang, task, signature=drawn).json()["errors"][0]["code"] == "unexpected"
    assert decide(wang, task).status_code == 200
    ended(li, request, "approved")
    history = li.get(f"{API}/instances/{request['id']}/history", params={"limit": 100}).json()["items"]
    lines = {entry["node"]: entry["data"].get("signature") for entry in history if entry["kind"] == "task.decided"}
    assert {node: line and line["kind"] for node, line in lines.items()} == {
        "drawn": "drawn",
        "proven": "electronic",
        "plain": None,
    }
    assert lines["proven"]["content_hash"] == wanted["content_hash"]
    assert client.get(f"{API}/instances/{request['id']}/history/verification").json()["intact"] is True
