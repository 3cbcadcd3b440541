"""Front ends that plugins bring along, under `/apps/<plugin>/<mount>`."""

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from riveredge_kernel.plugins.host import PluginHost
from riveredge_sdk.plugin import Plugin


class SinglePage(StaticFiles):
    """Files; whatever is no file is the page's own business."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        try:
            return await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code != 404:
                raise
            return await super().get_response("index.html", scope)


def mount(app: FastAPI, plugins: PluginHost) -> None:
    """Serve the front ends of the running plugins; one whose directory is missing is reported and left out."""
    for contributed in plugins.collect(Plugin.static_apps):
        item = contributed.item
        if not item.directory.is_dir():
            plugins.add_reason(contributed.plugin_id, f"static_apps: {item.directory} is no directory")
            continue
        files = (
            SinglePage(directory=item.directory, html=True)
            if item.single_page
            else StaticFiles(directory=item.directory)
        )
        app.mount(f"/apps/{contributed.plugin_id}/{item.mount.strip('/')}", files, name=item.id)
