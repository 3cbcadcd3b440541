"""Whatever the API's document allows, and some of what it does not: no server error, no undocumented answer."""

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test
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
DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"
OPERATIONS = [
    f"{method.upper()} {path}"
    for path, methods in json.loads(DOCUMENT.read_text())["paths"].items()
    for method in methods
]
SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="RIVEREDGE_TEST_EXAMPLES" not in os.environ,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    # The platform and the tenant stay the same for all examples of an operation.
    suppress_health_check=list(HealthCheck),
)

# PostgreSQL refuses more than SQLite does.
pytestmark = pytest.mark.database("postgresql")


@pytest.fixture(autouse=True)
def mail_server(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one, operations that send mails say that they are not available."""
    for name, value in {"HOST": "127.0.0.1", "PORT": str(mailbox.port), "TLS": "none"}.items():
        monkeypatch.setenv(f"RIVEREDGE_MESSAGING__SMTP__{name}", value)


@pytest.fixture(scope="session")
def document() -> Any:
    """The document, once for all tests."""
    return schemathesis.openapi.from_path(DOCUMENT)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_answers_as_documented(
    name: str, document: Any, platform: PlatformUnderTest, client: ApiClient
) -> None:
    def call(case: "schemathesis.Case[Any]") -> None:
        # The server cuts off a longer request line without an answer of the API's.
        assume(len(urlencode(case.query or {})) < MAX_QUERY)
        case.call_and_validate(
            base_url=platform.base_url,
            headers={"Authorization": client.headers["Authorization"]},
            checks=CHECKS,
            timeout=30,
        )

    (operation,) = document.include(name=name).get_all_operations()
    # `document.parametrize()` makes the cases of all operations when tests are collected, and every worker collects.
    test = build_operation_test(
        config=document.config,
        operation=operation.ok(),
        test_func=call,
        given_kwargs={},
        feedback=FeedbackSources(),
        explicit_settings=SETTINGS,
    )
    test()
