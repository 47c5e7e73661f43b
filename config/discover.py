"""Without a file: the variables that a service's own environment usually has, as the equivalent file."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from config.types import Url
from config.types.address import is_loopback

_POSTGRES = ("DATABASE_URL", "DATABASE_URI", "POSTGRES_URL", "POSTGRESQL_URL", "SQLALCHEMY_DATABASE_URI")
_REDIS = ("REDIS_URL", "VALKEY_URL", "CACHE_URL", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND")
_POSTGRES_SCHEMES = frozenset({"postgres", "postgresql"})
_REDIS_SCHEMES = frozenset({"redis", "rediss", "valkey", "valkeys", "unix"})
_SERVICE = "OTEL_SERVICE_NAME"
_OWN_UPSTREAM = "OUTRIDER_OTLP_ENDPOINT"
_SDK_UPSTREAM = "OTEL_EXPORTER_OTLP_ENDPOINT"
_OTLP_PORTS = (4317, 4318)


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was found. `text` is a file that loads with the same environment: it refers to values and holds none."""

    text: str
    variables: tuple[str, ...]  #: those that became part of the file; empty where nothing was found


def discover(environment: Mapping[str, str]) -> Discovery:
    """The file that these variables amount to: a probe for each dependency, the upstream, and memory always."""
    probes = list(_probes(environment))
    upstream = _upstream(environment)
    name = environment.get(_SERVICE, "")
    named = name.isprintable() and 0 < len(name) <= 128  # what `service` takes
    lines = ["# Found in the environment; save it as a file and go on from there."]
    lines.append(f"service: ${{{_SERVICE}}}" if named else "service: app")
    lines += ["", "probes:"]
    for _, block in probes:
        lines += block
    lines += ["  memory:", "    type: memory"]
    lines += [*upstream[1]]
    variables = [variable for variable, _ in probes if variable]
    return Discovery("\n".join(lines) + "\n", (*([_SERVICE] if named else []), *variables, *upstream[0]))


def _probes(environment: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """(variable, lines) for each dependency; two variables that lead to one place make one probe."""
    seen: dict[tuple[str, ...], str] = {}
    for kind, key, schemes, variables in (
        ("postgres", "dsn", _POSTGRES_SCHEMES, _POSTGRES),
        ("redis", "url", _REDIS_SCHEMES, _REDIS),
    ):
        for variable in variables:
            url = _url(environment.get(variable, ""))
            if url is None:
                if environment.get(variable):
                    yield "", [f"  # {variable} is set, but is no URL."]
                continue
            if url.scheme.partition("+")[0] not in schemes:
                continue
            place = (kind, url.host, str(url.port), url.path if kind == "postgres" or not url.host else "")
            if place in seen:
                yield "", [f"  # {variable} leads to the same place as {seen[place]}."]
                continue
            seen[place] = variable
            yield variable, _probe(variable, kind, key, url)


def _probe(variable: str, kind: str, key: str, url: Url) -> list[str]:
    name = variable.removesuffix("_URL").removesuffix("_URI").lower().replace("_", "-")
    lines = [f"  {name}:", f"    type: {kind}", f"    {key}: ${{{variable}}}"]
    if url.host and not is_loopback(url.host):
        lines.append("    shared: true  # not on this machine, so other replicas use it too")
    return lines


def _upstream(environment: Mapping[str, str]) -> tuple[tuple[str, ...], list[str]]:
    """The variable that names the upstream for spans, and the lines of `traces`."""
    for variable in (_OWN_UPSTREAM, _SDK_UPSTREAM):
        text = environment.get(variable, "")
        if not text:
            continue
        url = _url(text)
        if url is None or url.scheme not in {"http", "https"}:
            return (), ["", f"# {variable} is set, but is no URL such as http://collector:4318."]
        spoken = environment.get("OTEL_EXPORTER_OTLP_PROTOCOL", "") if variable == _SDK_UPSTREAM else ""
        if variable == _SDK_UPSTREAM and is_loopback(url.host) and (url.port or 4318) in _OTLP_PORTS:
            continue  # that is Outrider itself: the service was told to send here
        kind = "type: otlp_grpc, " if spoken == "grpc" or (not spoken and url.port == 4317) else ""
        reference = json.dumps(f"${{{variable}}}")
        return (variable,), ["", "traces:", "  forward:", f"    upstream: {{{kind}endpoint: {reference}}}"]
    return (), []


def _url(text: str) -> Url | None:
    try:
        return Url.parse(text)
    except ValueError:
        return None
