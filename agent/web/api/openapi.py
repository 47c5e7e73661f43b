"""The description of the API in OpenAPI 3.1, made from the shapes that make the answers."""

from collections.abc import Mapping
from typing import Any

import msgspec

from agent.web.api import gate, maintenance, override, shapes, silences

_REFERENCE = "#/components/schemas/{name}"
_Schema = Mapping[str, Any]

_OBJECT: _Schema = {"type": "object"}
_NAMED: _Schema = {"name": "name", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
_Of = Mapping[type[msgspec.Struct], _Schema]


def document(version: str) -> dict[str, Any]:
    """The whole description, ready for JSON."""
    kinds: tuple[type[msgspec.Struct], ...] = (
        shapes.Overview,
        shapes.Probes,
        shapes.Probe,
        shapes.Slos,
        shapes.Alerts,
        shapes.Undelivered,
        shapes.Exceptions,
        shapes.Drained,
        shapes.Reloaded,
        override.OverrideWanted,
        override.OverrideNow,
        maintenance.MaintenanceWanted,
        maintenance.Window,
        maintenance.Windows,
        silences.SilenceWanted,
        silences.SilenceShown,
        silences.SilencesShown,
        gate.Gate,
        shapes.Problem,
    )
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    of = dict(zip(kinds, schemas, strict=True))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Outrider admin API",
            "version": version,
            "description": "For programs on the same machine. Durations are in seconds, times in ISO 8601 UTC.",
        },
        "paths": _paths(of) | _override(of) | _maintenance(of) | _silences(of) | _gate(of),
        "components": {"schemas": components},
    }


def _paths(of: _Of) -> dict[str, Any]:
    not_found = {"404": _problem("No probe has this name.")}
    refused = {"422": _problem("The new configuration is not valid; the old one stays in force.")}
    drain = "Say unready from now on; serving goes on until SIGTERM."
    return {
        "/api/v1/status": {"get": _operation("status", "The agent at a glance.", of[shapes.Overview])},
        "/api/v1/probes": {"get": _operation("probes", "Every probe.", of[shapes.Probes])},
        "/api/v1/probes/{name}": {
            "parameters": [_NAMED],
            "get": _operation("probe", "One probe.", of[shapes.Probe], not_found),
        },
        "/api/v1/slos": {"get": _operation("slos", "Every objective.", of[shapes.Slos])},
        "/api/v1/alerts": {"get": _operation("alerts", "Every alert that is not inactive.", of[shapes.Alerts])},
        "/api/v1/alerts/undelivered": {
            "get": _operation("undelivered", "What receivers will never hear.", of[shapes.Undelivered])
        },
        "/api/v1/pipeline": {"get": _operation("pipeline", "The ledger and the queues of spans.", _OBJECT)},
        "/api/v1/exceptions": {
            "get": _operation("exceptions", "Exceptions that spans told of, in groups.", of[shapes.Exceptions])
        },
        "/api/v1/config": {"get": _operation("config", "The file in force, secrets masked.", _OBJECT)},
        "/api/v1/drain": {"post": _operation("drain", drain, of[shapes.Drained])},
        "/api/v1/reload": {"post": _operation("reload", "Read the file again.", of[shapes.Reloaded], refused)},
        "/api/v1/openapi.json": {"get": _operation("openapi", "This document.", _OBJECT)},
    }


def _gate(of: _Of) -> dict[str, Any]:
    bake = {
        "name": "bake",
        "in": "query",
        "description": "How long it must have been well: a duration from 1s to 1h.",
        "schema": {"type": "string", "pattern": gate.BAKES, "default": "5m"},
    }
    known = {
        "name": "known",
        "in": "query",
        "description": "An exception type that is no news; may be repeated.",
        "schema": {"type": "array", "items": {"type": "string"}},
    }
    summary = "Has this replica been well for a while? For deploys; on the public listener too."
    hook = "The same for webhooks, which understand a status alone."
    failed = {"409": {"description": "It does not pass.", "content": {"application/json": {"schema": of[gate.Gate]}}}}
    return {
        "/api/v1/gate": {
            "parameters": [bake, known],
            "get": _operation("gate", summary, of[gate.Gate]),
            "post": _operation("gateHook", hook, of[gate.Gate], failed),
        }
    }


def _override(of: _Of) -> dict[str, Any]:
    now = of[override.OverrideNow]
    force = "Force the verdict, until it expires; draining stays unready."
    wanted = _body(of[override.OverrideWanted], override.EXAMPLE)
    return {
        "/api/v1/override": {
            "get": _operation("override", "What is forced, if anything is.", now),
            "post": _operation("setOverride", force, now, _REFUSED) | wanted,
            "delete": _operation("clearOverride", "Let the members decide again.", now),
        }
    }


def _maintenance(of: _Of) -> dict[str, Any]:
    windows = of[maintenance.Windows]
    more = _REFUSED | {
        "404": _problem("One of the probes is none."),
        "409": _problem("As many windows as there may be are open."),
    }
    wanted = _body(of[maintenance.MaintenanceWanted], maintenance.EXAMPLE)
    not_found = {"404": _problem("Nobody asked for a window of this id, or it is over.")}
    return {
        "/api/v1/maintenance": {
            "get": _operation("maintenance", "Every window, of the file and asked for.", windows),
            "post": _operation("askMaintenance", "Open a window now.", of[maintenance.Window], more) | wanted,
        },
        "/api/v1/maintenance/{name}": {
            "parameters": [_NAMED],
            "delete": _operation("endMaintenance", "Close a window that was asked for.", windows, not_found),
        },
    }


def _silences(of: _Of) -> dict[str, Any]:
    every = of[silences.SilencesShown]
    elsewhere = {"503": _problem("Silences live in Alertmanager, and it does not answer.")}
    more = _REFUSED | {"409": _problem("As many silences as there may be are in force.")} | elsewhere
    wanted = _body(of[silences.SilenceWanted], silences.EXAMPLE)
    gone = {"404": _problem("There is no silence of this id, or it is over.")} | elsewhere
    return {
        "/api/v1/silences": {
            "get": _operation("silences", "Every silence that is not over.", every),
            "post": _operation("askSilence", "Silence alerts from now on.", of[silences.SilenceShown], more) | wanted,
        },
        "/api/v1/silences/{name}": {
            "parameters": [_NAMED],
            "delete": _operation("endSilence", "End a silence.", every, gone),
        },
    }


def _body(schema: _Schema, example: Mapping[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}}


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


_REFUSED = {
    "408": _problem("The body did not arrive in time."),
    "413": _problem("The body is too large."),
    "415": _problem("The body is not sent as application/json."),
}
