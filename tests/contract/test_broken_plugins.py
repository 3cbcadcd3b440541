"""Plugins whose routes cannot be built cost themselves only."""

from pathlib import Path

from riveredge_kernel.app import create_app
from riveredge_kernel.http.routing import KernelRoute
from riveredge_kernel.settings import Settings
from riveredge_sdk import Plugin, Router


class Odd:
    """Nothing that JSON could hold."""


good = Router(prefix="/good")
unbuildable = Router(prefix="/odd")
mistaken = Router(prefix="/mistaken")


@good.get(public=True)
@unbuildable.get("/first", public=True)
@mistaken.get(public=True, no_such_option=1)
async def fine() -> int:
    return 1


@unbuildable.get("/second", public=True)
async def odd() -> Odd:
    return Odd()


class Broken(Plugin):
    id = "broken"
    title = "Broken"

    def routers(self) -> list[Router]:
        return [unbuildable, good, mistaken]


def test_a_router_that_cannot_be_built_is_left_out_whole(tmp_path: Path) -> None:
    app = create_app(Settings(var_dir=tmp_path), plugins=[Broken()], check_schema=False)
    (report,) = [found for found in app.state.platform.plugins.report() if found.id == "broken"]
    assert report.state == "partial"
    assert "FastAPIError" in report.reason
    assert "no_such_option" in report.reason
    paths = {route.path for route in app.routes if isinstance(route, KernelRoute)}
    assert {path for path in paths if path.startswith("/api/v1/broken")} == {"/api/v1/broken/good"}
    assert "/api/v1/messaging/messages" in paths
    assert "/api/v1/broken/good" in app.openapi()["paths"]
