"""Files of forms and comments: handed in, used once, read by whoever sees where they are used."""

from typing import Any

import pytest

from riveredge_approvals.permissions import REQUEST_USE
from riveredge_sdk.testing.platform import ApiClient, EngineControl, TestTenant
from riveredge_sdk.testing.plugin import AsUser

from .drawings import approver
from .requests import API, Publish, decide, submit, todo, user_of

pytestmark = pytest.mark.database
FILES = f"{API}/files"
PDF = b"%PDF-1.7 offer"


def upload(who: ApiClient, name: str = "报价.pdf", content: bytes = PDF, type_: str = "application/pdf") -> Any:
    return who.post(FILES, params={"name": name}, content=content, headers={"Content-Type": type_})


def test_files_of_forms_and_comments(
    client: ApiClient, as_user: AsUser, published: Publish, engine: EngineControl, other_tenant: TestTenant
) -> None:
    li, wang, zhao = (as_user({REQUEST_USE}) for _ in range(3))
    for name, content, type_, field in (
        ("../etc/passwd", b"x", "text/plain", "name"),
        ("invoice.exe", b"x", "application/pdf", "name"),
        ("a\u202efdp.txt", b"x", "text/plain", "name"),
        ("a.pdf", b"MZ program", "application/pdf", "name"),
        ("a.png", b"<script>", "image/png", "media_type"),
        ("a.txt", b"x", "text/html\tx", "media_type"),
        ("a.txt", b"", "text/plain", "body"),
    ):
        refused = upload(li, name, content, type_)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field), refused.text
    assert upload(li, content=bytes(20_000_001)).status_code == 413
    mine = upload(li)
    assert (mine.status_code, mine.json()["size"], mine.json()["instance_id"]) == (201, len(PDF), None), mine.text
    offer = mine.json()["id"]
    page = upload(li, "page.html", b"<script>alert(1)</script>", "text/html; charset=utf-8").json()["id"]
    theirs = upload(zhao, "own.txt", b"x", "text/plain").json()["id"]
    spare = upload(li, "spare.txt", b"x", "text/plain").json()["id"]
    assert li.delete(f"{FILES}/{spare}", headers={"If-Match": '"1"'}).status_code == 204
    # Until it is used it is its uploader's, whoever may read all requests.
    for who in (wang, client, as_user({REQUEST_USE}, tenant=other_tenant)):
        assert who.get(f"{FILES}/{offer}").status_code == 404
        assert who.get(f"{FILES}/{offer}/content").status_code == 404
        assert who.delete(f"{FILES}/{offer}", headers={"If-Match": '"1"'}).status_code == 404
    form = {"type": "object", "properties": {"offer": {"type": "string", "format": "file"}, "more": {"type": "array"}}}
    form["properties"]["more"]["items"] = {"type": "string", "format": "file"}  # type: ignore[index]
    process = published(
        approver("mgr", user=user_of(wang), fields={"more": "edit", "offer": "hidden"}, allow=["comment"]),
        approver("ceo", user=user_of(zhao)),
        form=form,
    )
    for wrong in (theirs, "nothing", "00000000-0000-0000-0000-000000000001"):
        answer = li.post(f"{API}/instances", json={"process": process, "form": {"offer": wrong}})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "form.offer")
    request = submit(li, process, form={"offer": offer, "more": [page]})
    at = f"{API}/instances/{request['id']}"
    again = li.post(f"{API}/instances", json={"process": process, "form": {"offer": offer}})
    assert again.status_code == 422
    # The approver sees what her node shows of the form.
    task = todo(wang)
    assert wang.get(f"{FILES}/{offer}/content").status_code == 404
    got = wang.get(f"{FILES}/{page}/content")
    assert got.content == b"<script>alert(1)</script>"
    assert got.headers["content-disposition"] == "attachment; filename*=UTF-8''page.html"
    assert (got.headers["x-content-type-options"], got.headers["content-security-policy"]) == ("nosniff", "sandbox")
    assert [each["id"] for each in wang.get(f"{at}/files").json()["items"]] == [page]
    assert zhao.get(f"{at}/files").status_code == 404
    assert zhao.get(f"{FILES}/{page}").status_code == 404
    got = li.get(f"{FILES}/{offer}/content")
    assert (got.content, got.headers["content-disposition"]) == (
        PDF,
        "attachment; filename*=UTF-8''%E6%8A%A5%E4%BB%B7.pdf",
    )
    version = {"If-Match": li.get(f"{FILES}/{page}").headers["ETag"]}
    assert li.delete(f"{FILES}/{page}", headers=version).status_code == 409
    # She adds one of her own to the form and one to a comment; nobody else's.
    note, extra = (upload(wang, name, b"x", "text/plain").json()["id"] for name in ("note.txt", "extra.txt"))
    stolen = wang.post(f"{at}/comments", json={"text": "See", "attachments": [theirs]})
    assert (stolen.status_code, stolen.json()["errors"][0]["field"]) == (422, "attachments.0")
    said = wang.post(f"{at}/comments", json={"text": "See", "attachments": [note]})
    assert said.status_code == 201, said.text
    assert said.json()["attachments"] == [{"id": note, "name": "note.txt", "media_type": "text/plain", "size": 1}]
    assert li.get(f"{FILES}/{note}/content").content == b"x"
    assert decide(wang, task, form={"more": [page, theirs]}).json()["errors"][0]["field"] == "form.more"
    assert decide(wang, task, form={"more": [page, extra]}).status_code == 200
    todo(zhao, "ceo")
    names = {each["name"] for each in zhao.get(f"{at}/files", params={"limit": 50}).json()["items"]}
    assert names == {"报价.pdf", "page.html", "extra.txt", "note.txt"}
    # A comment takes its files with it; what nobody uses goes after a day.
    gone = f"{at}/comments/{said.json()['id']}"
    assert wang.delete(gone, headers={"If-Match": '"1"'}).status_code == 204
    assert li.get(f"{FILES}/{note}").status_code == 404
    assert zhao.get(f"{FILES}/{theirs}").status_code == 200
    engine.advance(hours=25)
    assert zhao.get(f"{FILES}/{theirs}").status_code == 404
    assert li.get(f"{FILES}/{offer}/content").content == PDF
