"""Mail goes to addresses with letters of all languages, and never to anybody else than the address says."""

from typing import Any

import pytest

from riveredge_messaging.providers.addresses import mail_address
from riveredge_sdk.testing.platform import ApiClient, TestTenant

GOOD = {
    "ada@Example.COM": "ada@example.com",
    "Ada <ada@example.com>": "ada@example.com",
    "ada@bücher.example": "ada@xn--bcher-kva.example",
    "ada@BÜCHER.example": "ada@xn--bcher-kva.example",
    "ada@bu\u0308cher.example": "ada@xn--bcher-kva.example",
    "ada@例子。测试": "ada@xn--fsqu00a.xn--0zwm56d",
    "jürgen+x@bücher.example": "jürgen+x@xn--bcher-kva.example",
    "ju\u0308rgen@example.com": "jürgen@example.com",
    "用户@例子.测试": "用户@xn--fsqu00a.xn--0zwm56d",
    '"a b"@example.com': '"a b"@example.com',
    "a_b@under_score.example": "a_b@under_score.example",
}
BAD = (
    "",
    "ada",
    "ada@",
    "@example.com",
    "ada@a..ü.example",
    "ada@-ü.example",
    "ada@ü" + "x" * 64 + ".example",
    "ada@b\u2100d.example",
    "j ü@example.com",
    "jü..x@example.com",
    '"jü"@example.com',
    "jü\u200brgen@example.com",
    "jü\u202egen@example.com",
    "jü\u2028x@example.com",
    "a\r\nRCPT TO:<b@example.com>@example.com",
    "=?utf-8?q?root=40evil.example=3e=00?=@example.com",
    "=?utf-8?q?x?=jü@example.com",
)


def test_addresses_are_read_as_servers_read_them() -> None:
    assert {text: mail_address(text).addr_spec for text in GOOD} == GOOD
    for text in BAD:
        with pytest.raises(ValueError, match="address"):
            mail_address(text)


@pytest.mark.database
def test_mail_goes_to_addresses_with_other_letters(
    client: ApiClient, tenant: TestTenant, servers: Any, send: Any, ended: Any
) -> None:
    names = {"domain": f"{tenant.slug}@bücher.example", "local": f"jürgen-{tenant.slug}@bücher.example"}
    people = {kind: _member(client, email) for kind, email in names.items()}
    server = servers.start()
    config = servers.configure(server, "Mail", settings={"sender": "Müller <post@müller.example>"})

    first = ended(send(to=list(people.values())))
    assert {each["error"] for each in first} == {None}
    got = {mail.recipients[0]: mail for mail in server.wait_for(2)}
    ascii_only, utf8 = f"{tenant.slug}@xn--bcher-kva.example", f"jürgen-{tenant.slug}@xn--bcher-kva.example"
    assert set(got) == {ascii_only, utf8}
    # A mail to an address in ASCII is in ASCII, for every server; the other has its address as it is.
    head = got[ascii_only].content.partition(b"\r\n\r\n")[0]
    assert f"To: {ascii_only}".encode() in head
    assert b"<post@xn--mller-kva.example>" in head
    assert got[ascii_only].content.isascii()
    assert f"To: {utf8}".encode() in got[utf8].content
    assert got[utf8].sender == "post@xn--mller-kva.example"

    # A server that takes ASCII alone: one of the two cannot be reached through it, and the reason is told.
    server.server.smtputf8 = False
    servers.platform.run(server.server.stop())
    servers.again(server)
    message = ended(send(to=list(people.values())))
    ends = {each["recipient_id"]: each for each in message}
    assert ends[people["domain"]]["status"] == "sent"
    failed = ends[people["local"]]
    assert (failed["status"], failed["attempts"]) == ("failed", 1)
    assert "SMTPUTF8" in failed["error"]
    assert utf8 in failed["error"]
    # It is the server that cannot, not the address that is wrong; and the configuration is in order.
    assert client.get("/api/v1/messaging/suppressions").json()["items"] == []
    assert servers.health(config)["reason"] == "ok"


def _member(client: ApiClient, email: str) -> str:
    answer = client.post("/api/v1/members", json={"email": email, "name": "Jürgen", "roles": []})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["user_id"])
