"""The description of the API in OpenAPI 3.1, made from the shapes that make the answers."""

from collections.abc import Mapping
from typing import Any

import msgspec

from agent.web.api import shapes

_REFERENCE = "#/components/schemas/{name}"
_Schema = Mapping[str, Any]

_OBJECT: _Schema = {"type": "object"}


def document(version: str) -> dict[str, Any]:
    """The whole description, ready for JSON."""
    answers: tuple[type[msgspec.Struct], ...] = (
        shapes.Overview,
        shapes.Probes,
        shapes.Probe,
        shapes.Slos,
        shapes.Alerts,
        shapes.Drained,
        shapes.Reloaded,
        shapes.Problem,
    )
    schemas, components = msgspec.json.schema_components(answers, ref_template=_REFERENCE)
    of = dict(zip(answers, schemas, strict=True))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Outrider admin API",
            "version": version,
            "description": "For programs on the same machine. Durations are in seconds, times in ISO 8601 UTC.",
        },
        "paths": _paths(of),
        "components": {"schemas": components},
    }


def _paths(of: Mapping[type[msgspec.Struct], _Schema]) -> dict[str, Any]:
    named = {"name": "name", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    not_found = {"404": _problem("No probe has this name.")}
    refused = {"422": _problem("The new configuration is not valid; the old one stays in force.")}
    drain = "Say unready from now on; serving goes on until SIGTERM."
    return {
        "/api/v1/status": {"get": _operation("status", "The agent at a glance.", of[shapes.Overview])},
        "/api/v1/probes": {"get": _operation("probes", "Every probe.", of[shapes.Probes])},
        "/api/v1/probes/{name}": {
            "parameters": [named],
            "get": _operation("probe", "One probe.", of[shapes.Probe], not_found),
        },
        "/api/v1/slos": {"get": _operation("slos", "Every objective.", of[shapes.Slos])},
        "/api/v1/alerts": {"get": _operation("alerts", "Every alert that is not inactive.", of[shapes.Alerts])},
        "/api/v1/pipeline": {"get": _operation("pipeline", "The ledger and the queues of spans.", _OBJECT)},
        "/api/v1/config": {"get": _operation("config", "The file in force, secrets masked.", _OBJECT)},
        "/api/v1/drain": {"post": _operation("drain", drain, of[shapes.Drained])},
        "/api/v1/reload": {"post": _operation("reload", "Read the file again.", of[shapes.Reloaded], refused)},
        "/api/v1/openapi.json": {"get": _operation("openapi", "This document.", _OBJECT)},
    }


def _operation(name: str, summary: str, schema: _Schema, more: dict[str, Any] | None = None) -> dict[str, Any]:
    answers = {
        "200": {"description": summary, "content": {"application/json": {"schema": schema}}},
        "400": _problem("Not a well-formed request."),
        "403": _problem("Sent to another name than localhost, or by a page of another origin."),
        "406": _problem("The client takes no JSON."),
        **(more or {}),
    }
    return {"operationId": name, "summary": summary, "responses": answers}


def _problem(description: str) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(name="Problem")}
    return {"description": description, "content": {"application/problem+json": {"schema": schema}}}
