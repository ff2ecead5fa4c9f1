"""The OpenAPI document: what FastAPI knows of the routes, and the shapes that the routes write by themselves."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from contracts import Application, NewApplication
from gateway.api.documents import ApplicationPage, BatchAnswer, Problem, Status
from gateway.api.health_routes import Alive, Ready, Report
from gateway.deprecation import DEPRECATED
from gateway.intake.batch_items import BatchItem

_DESCRIPTION = """
Takes applications, stores them and puts them on a Kafka topic: 201 means durable.

Every answer other than a success is a problem document (RFC 9457); its `type` leads to a page that says what to do.
Times are RFC 3339 in UTC with milliseconds. Messages are in English or Russian by `Accept-Language`.
"""

_WHOSE: dict[str, Any] = {
    "license_info": {"name": "MIT", "identifier": "MIT"},
    "contact": {"name": "whoever runs this gateway"},
}
_SECURITY = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "an API key, where the operator requires one; it may be one that reads only what it wrote",
    },
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "the same as a header of its own"},
}


def install(api: FastAPI) -> None:
    """Let ``api`` answer /openapi.json with the whole document, made once."""

    def document() -> dict[str, Any]:
        if api.openapi_schema is None:
            front = getattr(api.state, "front", None)
            api.openapi_schema = _document(api, front.settings.root_path if front else "")
        return api.openapi_schema

    api.openapi = document  # type: ignore[method-assign]  # the documented way to extend it


def _document(api: FastAPI, root: str) -> dict[str, Any]:
    document = get_openapi(
        title=api.title,
        version=api.version,
        description=_DESCRIPTION,
        routes=api.routes,
        tags=api.openapi_tags,
        servers=[{"url": root or "/", "description": "the gateway that shows this document"}],
        **_WHOSE,
    )
    components = document.setdefault("components", {})
    components["schemas"] = dict(sorted(_schemas().items()))
    components["securitySchemes"] = _SECURITY
    # FastAPI adds a 422 of its own to whatever has a parameter; where it can happen, ours is declared.
    for operation in (one for path in document["paths"].values() for one in path.values()):
        if "HTTPValidationError" in str(operation["responses"].get("422")):
            del operation["responses"]["422"]
    for method, route in DEPRECATED:
        document["paths"][route][method.lower()]["deprecated"] = True
    # Keys are optional unless the operator requires them: an empty requirement says so.
    document["security"] = [{}, {"bearer": []}, {"apiKey": []}]
    return document


def _schemas() -> dict[str, Any]:
    taken: list[type[BaseModel]] = [NewApplication, BatchItem]
    given: list[type[BaseModel]] = [Application, ApplicationPage, BatchAnswer, Problem, Status, Alive, Ready, Report]
    modes: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "validation") for model in taken]
    modes += [(model, "serialization") for model in given]
    schemas: dict[str, Any] = models_json_schema(modes, ref_template="#/components/schemas/{model}")[1]["$defs"]
    return schemas
