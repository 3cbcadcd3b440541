"""Files go with mails as they were given, stay within the organisation and its limits, and are what they say."""

import asyncio
import gc
import weakref
from base64 import b64encode
from datetime import timedelta
from email.message import EmailMessage
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from sqlmodel import col, select

from riveredge_messaging.delivery.attachments import Reader
from riveredge_messaging.delivery.models import MessageFile
from riveredge_messaging.repository import Messages
from riveredge_sdk import session, unit_of_work
from riveredge_sdk.context import use_context
from riveredge_sdk.testing.platform import ApiClient, EngineControl, Mailbox, PlatformUnderTest, TestTenant
from riveredge_sdk.testing.plugin import AsUser

MESSAGES = "/api/v1/messaging/messages"
EMAIL, IN_APP = "messaging.email", "messaging.in_app"
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 20
PNG = b"\x89PNG\r\n\x1a\n" + bytes(300)
NAME = "发票 2026年11月 – 很长的文件名称用来测试换行.pdf"


def attached(name: str, content: bytes, **more: Any) -> dict[str, Any]:
    return {"name": name, "content": b64encode(content).decode(), **more}


def body(client: ApiClient, *files: dict[str, Any], **more: Any) -> dict[str, Any]:
    assert client.user is not None
    given = {"template": "messaging.welcome", "to": [str(client.user.id)], "data": {"product": "x"}}
    return {**given, "channels": [EMAIL], "attachments": list(files), **more}


def post(client: ApiClient, *files: dict[str, Any], **more: Any) -> Any:
    answer = client.post(MESSAGES, json=body(client, *files, **more))
    assert answer.status_code == 202, answer.text
    return answer.json()


def parts(mail: EmailMessage) -> dict[str, tuple[str, str | None, str | None, bytes]]:
    """Type, disposition, Content-ID and content of what has a name."""
    found = {}
    for part in mail.walk():
        if (name := part.get_filename()) is not None:
            assert isinstance(part, EmailMessage)
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            found[name] = (part.get_content_type(), part.get_content_disposition(), part["Content-ID"], content)
    return found


@pytest.mark.database
def test_files_go_with_the_mail_and_stay_with_the_message(  # noqa: PLR0917
    client: ApiClient,
    as_user: AsUser,
    other_tenant: TestTenant,
    mail_settings: Mailbox,
    platform: PlatformUnderTest,
    tenant: TestTenant,
) -> None:
    note = client.post("/api/v1/example/notes", json={"title": "Notiz", "text": "Grüße 河"}).json()
    files = [
        attached(NAME, PDF),
        attached("logo.png", PNG, content_id="logo"),
        attached("data.bin", b"", media_type="Application/X-Thing"),
        {"file_id": note["id"]},
    ]
    made = post(client, *files, channels=[EMAIL, IN_APP], idempotency_key="files")
    platform.settle()
    (mail,) = mail_settings.mails
    expected = {
        NAME: ("application/pdf", "attachment", None, PDF),
        "logo.png": ("image/png", "inline", "<logo>", PNG),
        "data.bin": ("application/x-thing", "attachment", None, b""),
        "Notiz.txt": ("text/plain", "attachment", None, "Grüße 河".encode()),
    }
    assert parts(mail.message) == expected
    assert "welcome to x" in mail.text()
    # The image lies beside the text that shows it, the others beside both.
    (related,) = [part for part in mail.message.walk() if part.get_content_type() == "multipart/related"]
    assert [part.get_content_type() for part in related.iter_parts()] == ["text/html", "image/png"]
    assert mail.message.get_content_type() == "multipart/mixed"

    place = f"{MESSAGES}/{made['id']}"
    shown = client.get(place).json()
    assert shown["files"] == 4
    assert [(each["name"], each["size"], each["file_id"]) for each in shown["attachments"]] == [
        (NAME, len(PDF), None),
        ("logo.png", len(PNG), None),
        ("data.bin", 0, None),
        ("Notiz.txt", None, note["id"]),
    ]
    ids = [each["id"] for each in shown["attachments"]]
    got = client.get(f"{place}/attachments/{ids[0]}")
    assert (got.status_code, got.content, got.headers["content-type"]) == (200, PDF, "application/pdf")
    assert got.headers["content-disposition"] == f"attachment; filename*=UTF-8''{quote(NAME)}"
    assert (got.headers["x-content-type-options"], got.headers["content-security-policy"]) == ("nosniff", "sandbox")
    told = client.get(f"{place}/timeline").json()["decisions"]
    assert [line["words"] for line in told if line["reason"] == "files_left_out"] == [
        "The attachments do not go out on messaging.in_app."
    ]
    (quota,) = [each for each in client.get("/api/v1/quotas").json() if each["id"] == "messaging.attachments"]
    assert (quota["used"], quota["unit"]) == (len(PDF) + len(PNG), "bytes")

    # Nobody else's, and no other message's.
    stranger = as_user({"messaging.message.read"}, tenant=other_tenant)
    unpermitted = as_user(())
    other = post(client, attached("a.txt", b"a"))
    assert stranger.get(f"{place}/attachments/{ids[0]}").status_code == 404
    assert unpermitted.get(f"{place}/attachments/{ids[0]}").status_code == 403
    for wrong in (f"{MESSAGES}/{other['id']}/attachments/{ids[0]}", f"{place}/attachments/{uuid4()}"):
        assert client.get(wrong).status_code == 404
    assert client.get(f"{place}/attachments/{ids[3]}").status_code == 404

    # The same again is the same; with another file it is another.
    same = {"channels": [EMAIL, IN_APP], "idempotency_key": "files"}
    assert post(client, *files, **same)["id"] == made["id"]
    changed = client.post(MESSAGES, json=body(client, attached(NAME, PDF + b"!"), *files[1:], **same))
    assert [error["code"] for error in changed.json()["errors"]] == ["key_used"]

    platform.settle()
    assert client.post(f"{place}/resend").status_code == 202
    platform.settle()
    assert parts(mail_settings.mails[-1].message) == expected

    async def delete() -> int:
        with use_context(platform.context(tenant)):
            async with unit_of_work():
                await Messages().delete(await Messages().get(UUID(made["id"])))
            async with unit_of_work(read_only=True):
                mine = select(MessageFile.id).where(col(MessageFile.message_id) == UUID(made["id"]))
                return len((await session().exec(mine)).all())

    assert platform.run(delete()) == 0


WRONG: list[tuple[dict[str, Any], str, str]] = [
    (attached("../etc/passwd", b"x"), "attachments.0.name", "name"),
    (attached('a".pdf', PDF), "attachments.0.name", "name"),
    (attached("a\r\nBcc: x@example.net", b"x"), "attachments.0.name", "name"),
    (attached("annexe\u202efdp.txt", b"x"), "attachments.0.name", "name"),
    (attached(".", b"x"), "attachments.0.name", "name"),
    (attached("河" * 100, b"x"), "attachments.0.name", "name"),
    (attached("setup.exe", b"x"), "attachments.0.name", "program"),
    (attached("report.pdf.JS", b"x"), "attachments.0.name", "program"),
    (attached("harmless.txt", b"MZ\x90\x00"), "attachments.0.name", "program"),
    (attached("a.pdf", b"<html>"), "attachments.0.media_type", "media_type"),
    (attached("a.txt", b"x", media_type="text/plain; charset=x"), "attachments.0.media_type", "media_type"),
    (attached("a.txt", b"x", media_type="text/plain\r\nX: y"), "attachments.0.media_type", "media_type"),
    (attached("a.svg", b"<svg/>", content_id="a"), "attachments.0.content_id", "content_id"),
    (attached("a.png", PNG, content_id="a>\r\nX: y"), "attachments.0.content_id", "content_id"),
    ({"name": "a.txt", "content": "no base64!"}, "attachments.0.content", "base64"),
    ({"name": "a.txt"}, "attachments.0", "value_error"),
    ({"name": "a.txt", "content": "eA==", "file_id": str(uuid4())}, "attachments.0", "value_error"),
    ({"file_id": str(uuid4())}, "attachments.0.file_id", "unknown"),
]


def test_what_cannot_be_attached_is_named(client: ApiClient) -> None:
    for file, field, code in WRONG:
        for params in ({}, {"dry_run": "true"}):
            answer = client.post(MESSAGES, json=body(client, file), params=params)
            assert answer.status_code == 422, answer.text
            assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [(field, code)]
    assert client.get(MESSAGES).json()["items"] == []


def test_files_have_limits(client: ApiClient, as_user: AsUser, monkeypatch: pytest.MonkeyPatch) -> None:
    def errors(*files: dict[str, Any], by: ApiClient = client, **more: Any) -> list[tuple[str, str]]:
        answer = by.post(MESSAGES, json=body(by, *files, **more))
        return [(error["field"], error["code"]) for error in answer.json().get("errors", [])]

    small = attached("a.txt", b"a" * 600)
    assert errors(*[small] * 21) == [("attachments", "too_long")]
    pair = [attached(f"{n}.png", PNG, content_id="same") for n in range(2)]
    assert errors(*pair) == [(f"attachments.{n}.content_id", "not_unique") for n in range(2)]
    assert errors(small, channels=[IN_APP]) == [("attachments", "no_channel")]
    monkeypatch.setenv("RIVEREDGE_MESSAGING__MAX_ATTACHMENT_BYTES", "1000")
    assert errors(small) == []
    assert errors(small, small) == [("attachments", "too_large")]
    assert client.post(MESSAGES, json=body(client, attached("a.bin", bytes(12_000_000)))).status_code == 413
    # Whoever may send, but may not read notes, sends none.
    note = client.post("/api/v1/example/notes", json={"title": "Secret", "text": "x"}).json()
    sender = as_user({"messaging.message.send"})
    assert errors({"file_id": note["id"]}, by=sender) == [("attachments.0.file_id", "unknown")]


def test_files_wait_for_no_digest_and_fail_visibly(
    client: ApiClient, mail_settings: Mailbox, engine: EngineControl
) -> None:
    made = client.post(
        "/api/v1/messaging/categories",
        json={"key": "custom.news", "title": "News", "digest": {"window_s": 600, "leading": False}},
    )
    assert made.status_code == 201, made.text
    news = {"category": "custom.news"}
    plain, filed = post(client, **news), post(client, attached("a.txt", b"a"), **news)
    engine.platform.settle()
    status = {each["id"]: client.get(f"{MESSAGES}/{each['id']}").json()["deliveries"][0] for each in (plain, filed)}
    assert (status[plain["id"]]["held_by"], status[filed["id"]]["status"]) == ("digest", "sent")

    note = client.post("/api/v1/example/notes", json={"title": "Gone", "text": "x"}).json()
    late = post(client, {"file_id": note["id"]}, send_at=engine.now().isoformat())
    later = post(client, {"file_id": note["id"]}, send_at=(engine.now() + timedelta(hours=1)).isoformat())
    engine.platform.settle()
    assert client.get(f"{MESSAGES}/{late['id']}").json()["deliveries"][0]["status"] == "sent"
    found = client.get(f"/api/v1/example/notes/{note['id']}")
    gone = client.delete(f"/api/v1/example/notes/{note['id']}", headers={"If-Match": found.headers["etag"]})
    assert gone.status_code == 204, gone.text
    engine.advance(hours=2)
    (failed,) = client.get(f"{MESSAGES}/{later['id']}").json()["deliveries"]
    assert (failed["status"], failed["attempts"]) == ("failed", 1)
    assert "Gone.txt cannot be read" in failed["error"]


def test_files_are_in_memory_once_and_no_longer_than_needed(
    client: ApiClient, platform: PlatformUnderTest, tenant: TestTenant, mail_settings: Mailbox
) -> None:
    made = UUID(post(client, attached("a.pdf", PDF))["id"])
    platform.settle()

    async def read() -> None:
        reader = Reader()
        with use_context(platform.context(tenant)):
            many = await asyncio.gather(*(reader.read(made) for _ in range(5)))
            assert len({id(each) for each in many}) == 1
            assert many[0].files[0].content == PDF
            held = weakref.ref(many[0])
            del many
            # Finished tasks keep their results until the loop has let go of them.
            await asyncio.sleep(0)
            gc.collect()
            assert held() is None

    platform.run(read())
