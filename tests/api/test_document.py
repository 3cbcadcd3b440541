"""Whatever the API's document allows, and some of what it does not: no server error, no undocumented answer."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from riveredge_sdk.testing.platform import ApiClient, Mailbox, PlatformUnderTest

MAX_QUERY = 60_000
# A search with more time finds more: RIVEREDGE_TEST_EXAMPLES=500.
EXAMPLES = int(os.environ.get("RIVEREDGE_TEST_EXAMPLES", "8"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
schemathesis.serializer.alias("application/zip", "application/octet-stream")
document = schemathesis.openapi.from_path(Path(__file__).parents[2] / "docs" / "openapi.json")

# PostgreSQL refuses more than SQLite does.
pytestmark = pytest.mark.database("postgresql")


@pytest.fixture(autouse=True)
def mail_server(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one, operations that send mails say that they are not available."""
    for name, value in {"HOST": "127.0.0.1", "PORT": str(mailbox.port), "TLS": "none"}.items():
        monkeypatch.setenv(f"RIVEREDGE_MESSAGING__SMTP__{name}", value)


@document.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="RIVEREDGE_TEST_EXAMPLES" not in os.environ,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    # The platform and the tenant stay the same for all examples of an operation.
    suppress_health_check=list(HealthCheck),
)
def test_an_operation_answers_as_documented(
    case: "schemathesis.Case[Any]", platform: PlatformUnderTest, client: ApiClient
) -> None:
    # The server cuts off a longer request line without an answer of the API's.
    assume(len(urlencode(case.query or {})) < MAX_QUERY)
    case.call_and_validate(
        base_url=platform.base_url,
        headers={"Authorization": client.headers["Authorization"]},
        checks=CHECKS,
        timeout=30,
    )
