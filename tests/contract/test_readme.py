"""The plugin in the README works as it stands there."""

import re
from pathlib import Path
from typing import Any

from riveredge_sdk.testing.platform import ApiClient, find_factory

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_plugin_of_the_readme_works(tmp_path: Path) -> None:
    found = re.search(r"```python\n(# riveredge_greetings.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {"__name__": "riveredge_greetings"}
    exec(compile(found[1], "README.md", "exec", dont_inherit=True), names)
    with find_factory()("sqlite", tmp_path, plugins=[names["plugin"]]) as platform:
        tenant = platform.create_tenant("readme")
        user = platform.create_user(tenant, platform.permissions)
        with ApiClient(platform, user) as client:
            answer = client.post("/api/v1/greetings/greetings", json={"name": "Ada"})
            assert answer.status_code == 202, answer.text
            assert answer.json()["name"].endswith("greets Ada")
            platform.settle()
            (run,) = client.get("/api/v1/runs").json()["items"]
            assert (run["function"], run["status"]) == ("greetings.answer", "completed")
