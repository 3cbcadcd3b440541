"""The API's document: one bearer scheme, problem+json for every error, nothing that depends on the machine."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from riveredge_kernel import __version__
from riveredge_kernel.http.problems import MEDIA_TYPE
from riveredge_kernel.http.routing import KernelRoute

_PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:riveredge:problem:not-found"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message", "code"],
                "properties": {
                    "field": {"type": "string"},
                    "message": {"type": "string"},
                    "code": {"type": "string"},
                },
            },
        },
    },
}


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of `app`, built once."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    made = get_openapi(
        title="RiverEdge",
        version=__version__,
        summary="Multi-tenant platform for business processes.",
        routes=app.routes,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    schemas["Problem"] = _PROBLEM
    made["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    }
    for route in app.routes:
        if not isinstance(route, KernelRoute) or not route.include_in_schema:
            continue
        declared = route.plan.route
        operation = made["paths"][route.path_format][declared.method.lower()]
        operation["responses"].pop("422", None)
        declared_errors = (int(status) for status in operation["responses"] if status.isdigit() and int(status) >= 400)
        for status in sorted({*_refusals(route, operation), *declared_errors}):
            operation["responses"][str(status)] = _refusal(status) | operation["responses"].get(str(status), {})
        if not declared.public:
            operation["security"] = [{"bearer": []}]
        if declared.require:
            operation["x-permission"] = declared.require
        if declared.method == "POST":
            operation.setdefault("parameters", []).append(
                {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": False,
                    "description": "A repeated request with the same key gets the first one's answer.",
                    "schema": {"type": "string", "maxLength": 255},
                }
            )
    app.openapi_schema = made
    return made


def _refusals(route: KernelRoute, operation: dict[str, Any]) -> Iterator[int]:
    """The statuses of the problems that an operation of this form may answer with."""
    declared = route.plan.route
    yield from (400, 422, 429, 503)
    if not declared.public:
        yield from (401, 403)
    # A plugin may be off, also where there is no parameter that could name something that is gone.
    if route.plan.plugin is not None or "{" in route.path_format:
        yield 404
    if declared.method != "GET":
        yield 409
    if "requestBody" in operation:
        yield from (413, 415)
    if any(parameter["name"].lower() == "if-match" for parameter in operation.get("parameters", ())):
        yield from (412, 428)


def _refusal(status: int) -> dict[str, Any]:
    return {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
