"""The API's document: one bearer scheme, problem+json for every error, nothing that depends on the machine."""

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
    error = {
        "description": "A problem.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for route in app.routes:
        if not isinstance(route, KernelRoute) or not route.include_in_schema:
            continue
        declared = route.plan.route
        operation = made["paths"][route.path_format][declared.method.lower()]
        operation["responses"].pop("422", None)
        operation["responses"]["default"] = error
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
