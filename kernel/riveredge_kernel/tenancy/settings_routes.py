"""`/api/v1/settings`: what an organisation sets about the plugins it uses."""

from typing import Annotated, Any

from pydantic import BaseModel, Field, SecretStr
from starlette.responses import Response

from riveredge_kernel.plugins.discovery import KERNEL
from riveredge_kernel.plugins.host import PluginHost
from riveredge_kernel.tenancy.directory import TenantDirectory
from riveredge_kernel.tenancy.settings_store import MASK, SettingsStore, Stored, secret_fields
from riveredge_sdk.audit import record
from riveredge_sdk.context import current_tenant
from riveredge_sdk.http import ExpectedVersion, KnownVersion, Router, etag
from riveredge_sdk.problems import NotFound

READ, WRITE = "kernel.tenant.read", "kernel.tenant.write"
_CHANGES: dict[str, Any] = {
    "content": {"application/merge-patch+json": {"schema": {"type": "object"}}},
}


class SettingsForm(BaseModel):
    """What can be set about one plugin. `form` is the JSON Schema of its settings."""

    plugin: str
    title: str
    description: str
    form: dict[str, Any]


class SettingsOut(SettingsForm):
    """Settings of one plugin as they hold."""

    values: Annotated[dict[str, Any], Field(description=f"Secrets are never shown: {MASK} where one is set.")]
    sources: Annotated[
        dict[str, str], Field(description="Where each value comes from: `default`, or the `organisation`.")
    ]
    secrets: Annotated[dict[str, bool], Field(description="Whether each secret is set.")]
    version: Annotated[int, Field(description="Send it as If-Match; 0 where everything is as it came.")]


class _Answers:
    """What the routes have in common."""

    def __init__(self, plugins: PluginHost, store: SettingsStore, tenants: TenantDirectory) -> None:
        self._plugins = plugins
        self._tenants = tenants
        self._store = store

    def model_of(self, plugin: str) -> type[BaseModel]:
        model = self._store.model_of(plugin)
        if model is None:
            raise NotFound(f"The plugin {plugin[:63]!r} has no settings; GET /api/v1/settings lists those that have.")
        return model

    def form_of(self, plugin: str, model: type[BaseModel]) -> SettingsForm:
        offered = self._plugins.get(plugin)
        assert offered is not None  # noqa: S101  (it contributes the model)
        schema = model.model_json_schema()
        return SettingsForm(plugin=plugin, title=offered.title, description=schema.get("description", ""), form=schema)

    def out(self, plugin: str, stored: Stored[BaseModel], response: Response) -> SettingsOut:
        response.headers["ETag"] = etag(stored.version)
        model = type(stored.values)
        dumped = stored.values.model_dump(mode="json")
        return SettingsOut(
            **self.form_of(plugin, model).model_dump(),
            values={n: MASK if isinstance(v, SecretStr) else dumped[n] for n, v in stored.values},
            sources={name: "organisation" if name in stored.given else "default" for name in dumped},
            secrets={name: getattr(stored.values, name) is not None for name in sorted(secret_fields(model))},
            version=stored.version,
        )

    def told(self, operation: str, plugin: str, stored: Stored[BaseModel], response: Response) -> SettingsOut:
        """The answer to a change, which the audit log is told: the names of the fields, never their values."""
        answer = self.out(plugin, stored, response)
        if plugin == KERNEL:
            self._tenants.invalidate(current_tenant())
        fields = {"fields": sorted(stored.changed)}
        record(f"tenancy.{operation}", "kernel.settings", plugin, title=answer.title, details=fields)
        return answer


def settings_router(plugins: PluginHost, store: SettingsStore, tenants: TenantDirectory) -> Router:
    """The routes."""
    router = Router(prefix="/settings", tag="Settings", audit="kernel.settings")
    answers = _Answers(plugins, store, tenants)

    @router.get(require=READ, summary="What can be set")
    async def list_settings() -> list[SettingsForm]:
        """The forms of all plugins that have settings."""
        return [answers.form_of(found.plugin_id, found.item) for found in store.models()]

    @router.get("/{plugin}", require=READ, summary="The organisation's settings of a plugin")
    async def get_settings(plugin: str, response: Response) -> SettingsOut:
        return answers.out(plugin, await store.read(plugin, answers.model_of(plugin)), response)

    @router.put("/{plugin}", require=WRITE, summary="Replace the organisation's settings of a plugin")
    async def put_settings(plugin: str, body: dict[str, Any], version: KnownVersion, response: Response) -> SettingsOut:
        """What is not sent has its default again. A secret that is sent as its mask stays what it was."""
        saved = await store.save(plugin, answers.model_of(plugin), body, version=version)
        return answers.told("put_settings", plugin, saved, response)

    @router.patch(
        "/{plugin}",
        require=WRITE,
        summary="Change some of the organisation's settings of a plugin",
        openapi_extra={"requestBody": _CHANGES},
    )
    async def change_settings(
        plugin: str, body: dict[str, Any], version: ExpectedVersion, response: Response
    ) -> SettingsOut:
        """A merge patch (RFC 7396): what is not named stays, null gives a field its default again."""
        changed = await store.change(plugin, answers.model_of(plugin), body, version=version)
        return answers.told("change_settings", plugin, changed, response)

    @router.delete(
        "/{plugin}/{field}", require=WRITE, status=200, summary="Give one of a plugin's settings its default again"
    )
    async def reset_setting(plugin: str, field: str, version: ExpectedVersion, response: Response) -> SettingsOut:
        model = answers.model_of(plugin)
        if field not in model.model_fields:
            raise NotFound(f"The plugin {plugin[:63]!r} has no setting {field[:100]!r}.")
        return answers.told(
            "reset_setting", plugin, await store.reset(plugin, model, [field], version=version), response
        )

    @router.delete(
        "/{plugin}", require=WRITE, status=200, summary="Give all of a plugin's settings their defaults again"
    )
    async def reset_settings(plugin: str, version: ExpectedVersion, response: Response) -> SettingsOut:
        """Also where what is stored cannot be read any more."""
        reset = await store.reset(plugin, answers.model_of(plugin), None, version=version)
        return answers.told("reset_settings", plugin, reset, response)

    return router
