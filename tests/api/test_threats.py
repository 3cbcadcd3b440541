"""Lines of THREAT_MODEL.md that no other test is about: what a mistake or an odd caller would leak or set off."""

import io
import json
import logging as stdlib
import stat
import time
from collections.abc import Iterator
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import structlog
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import IntegrityError

from riveredge_kernel import logging
from riveredge_kernel.events.models import OutboxEvent
from riveredge_kernel.functions.scoping import flow_control
from riveredge_kernel.secrets import token_key, vault
from riveredge_kernel.settings import Settings
from riveredge_kernel.testing import ThreadedPlatform, start
from riveredge_sdk import EventType, FunctionContext, FunctionSpec, Plugin, Router
from riveredge_sdk.models import utcnow, uuid7
from riveredge_sdk.testing.platform import ApiClient, TestTenant

SECRET = "s3cret-of-the-driver"


class Word(BaseModel):
    word: str


SAID = EventType("leaky/word.said", Word, "A word was said")
router = Router(tag="Leaky")
served: list[Any] = []


@router.get("/{how}", signed_in=True)
async def fail(how: str) -> None:
    if how == "database":
        raise IntegrityError(f"INSERT INTO vault VALUES ('{SECRET}')", {"password": SECRET}, Exception(SECRET))
    raise RuntimeError(f"{how} at /srv/riveredge with {SECRET}")


async def hear(ctx: FunctionContext, event: Word) -> None:
    served.append(event.word)


HEAR = FunctionSpec(id="leaky.hear", title="Hear", trigger=SAID, handler=hear)


class Leaky(Plugin):
    id, title = "leaky", "Leaky"

    def routers(self) -> list[Router]:
        return [router]

    def event_types(self) -> list[EventType[Any]]:
        return [SAID]

    def functions(self) -> list[FunctionSpec[Any]]:
        return [HEAR]


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ThreadedPlatform, TestTenant]]:
    with start("sqlite", tmp_path_factory.mktemp("leaky"), plugins=[Leaky()]) as platform:
        yield platform, platform.create_tenant("acme")


@pytest.fixture
def log_lines() -> Iterator[io.StringIO]:
    """What is logged as JSON for the time of the test."""
    root = stdlib.getLogger()
    handlers, level, before = root.handlers, root.level, structlog.get_config()
    with redirect_stderr(io.StringIO()) as said:
        logging.configure(Settings(log_format="json"))
        yield said
    root.handlers, root.level = handlers, level
    structlog.configure(**before)


@pytest.mark.parametrize("how", ["plain", "database"])
def test_internals_stay_inside(how: str, leaky: tuple[ThreadedPlatform, TestTenant], log_lines: io.StringIO) -> None:
    platform, tenant = leaky
    with ApiClient(platform, platform.create_user(tenant, [])) as client:
        answer = client.get(f"/api/v1/leaky/{how}", headers={"X-Request-ID": "asked"})
    assert answer.status_code >= 409
    assert answer.headers["content-type"] == "application/problem+json"
    for internal in (SECRET, "vault", "/srv", "Error", "Traceback", "INSERT"):
        assert internal not in answer.text
    assert answer.json()["request_id"] == "asked"
    # Whoever has the log finds it by that; the line is written when the answer has left.
    until = time.monotonic() + 20
    while not any(line.get("request_id") == "asked" for line in told_in(log_lines)):
        assert time.monotonic() < until, log_lines.getvalue()
        time.sleep(0.02)


def told_in(log_lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log_lines.getvalue().splitlines() if line.startswith("{")]


def test_lines_of_the_log_are_neither_forged_nor_full_of_secrets(
    leaky: tuple[ThreadedPlatform, TestTenant], log_lines: io.StringIO
) -> None:
    platform, _ = leaky
    forged = 'x", "event": "all is well'
    with ApiClient(platform) as anonymous:
        answer = anonymous.get("/api/v1/auth/me", headers={"X-Request-ID": forged})
    assert answer.headers["x-request-id"] != forged
    structlog.get_logger("test").info(
        "told\nalso", password=SECRET, api_token=SECRET, headers={"Authorization": SECRET, "Accept": "x"}, n=[1]
    )
    text = log_lines.getvalue()
    assert SECRET not in text
    assert forged not in text
    (told,) = [line for line in told_in(log_lines) if line["event"] == "told\nalso"]
    assert (told["headers"]["Accept"], told["n"]) == ("x", [1])


def test_an_event_that_names_no_tenant_of_ours_is_not_served(leaky: tuple[ThreadedPlatform, TestTenant]) -> None:
    platform, tenant = leaky

    def event(word: str, tenant_id: UUID | None) -> OutboxEvent:
        now = utcnow()
        row = OutboxEvent(id=uuid7(), name=SAID.name, data={"word": word}, created_at=now, next_attempt_at=now)
        row.tenant_id = tenant_id
        return row

    events = [event("none", None), event("unknown", uuid7()), event("ours", tenant.id)]
    platform.run(platform.platform.functions.sender.send_events(events))
    platform.settle()
    assert served == ["ours"]


def test_one_tenant_does_not_use_up_the_workers() -> None:
    (limit,) = flow_control(HEAR)["concurrency"]
    assert (limit.key, limit.scope, limit.limit) == ("event.data.tenant_id", "fn", 10)


def test_several_organisations_need_the_second_wall() -> None:
    with pytest.raises(ValidationError, match="multi_tenant needs PostgreSQL"):
        Settings(multi_tenant=True)


def test_keys_that_are_made_are_for_their_owner_alone(tmp_path: Path) -> None:
    settings = Settings(var_dir=tmp_path)
    token_key(settings)
    vault(settings)
    files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert files == {"secret_key": 0o600, "token_key.pem": 0o600}


def test_a_right_that_is_taken_away_is_gone_at_once(leaky: tuple[ThreadedPlatform, TestTenant]) -> None:
    platform, tenant = leaky
    admin = platform.create_user(tenant, platform.permissions)
    user = platform.create_user(tenant, ["kernel.audit.read"])
    with ApiClient(platform, admin) as mine, ApiClient(platform, user) as theirs:
        assert theirs.get("/api/v1/audit").status_code == 200
        (member,) = [m for m in mine.get("/api/v1/members").json()["items"] if m["email"] == user.email]
        version = {"If-Match": f'"{member["version"]}"'}
        gone = mine.delete(f"/api/v1/members/{member['id']}", headers=version)
        assert gone.status_code in {200, 204}, gone.text
        # The token is still good by itself.
        assert theirs.get("/api/v1/audit").status_code in {401, 403}
