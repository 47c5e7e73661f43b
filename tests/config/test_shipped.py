"""The files that ship with Outrider."""

from pathlib import Path

import jsonschema
import pytest
import yaml
from msgspec.structs import fields

from config.convert import convert
from config.errors import Problems
from config.kinds import Kinds
from config.load import load
from config.model import File
from config.schema import json_schema
from config.sections.traces import Destination, OwnSpans, QueueLimits, Receive, ReceiveTls, RequestMetrics, Traces
from exporters.registry import NOTIFIERS, SENDERS
from probes.registry import PROBES

FOLDER = Path(__file__).parents[2] / "config"
FILES = sorted([*FOLDER.glob("*.yaml"), *FOLDER.glob("examples/*.yaml")])
ENVIRONMENT = {
    "ALERT_WEBHOOK_URL": "https://hooks.example/x",
    "BACKUP_TOKEN": "token",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/x",
    "DATABASE_URL": "postgres://shop:p@db.internal/shop",
    "OTEL_SERVICE_NAME": "shop",
    "OTLP_TOKEN": "token",
    "OUTRIDER_OTLP_ENDPOINT": "http://gateway:4318",
    "REDIS_URL": "redis://cache.internal",
    "SEARCH_TOKEN": "token",
}
SECRETS = {
    "oncall_signing_secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "orders_dsn": "postgres://shop:p@db.internal/shop",
    "otlp_authorization": "Bearer token",
    "outrider_peers_token": "shared by all replicas",
    "redis_url": "redis://cache.internal",
}


@pytest.fixture(scope="module")
def kinds():
    """Every kind that this installation has."""
    return Kinds(
        probes={name: found.options_type for name, found in PROBES.available().items()},
        destinations={name: found.options_type for name, found in SENDERS.available().items()},
        receivers={name: found.options_type for name, found in NOTIFIERS.available().items()},
    )


def test_there_are_whole_examples():
    """One file for each environment, and small ones."""
    names = {path.name for path in FILES}
    assert {"development.yaml", "staging.yaml", "production.yaml", "postgres.yaml", "slo.yaml"} <= names


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_shipped_file_is_right(path, kinds, tmp_path):
    """It loads, each entry fits the options of its kind, every threshold names a reading, and the schema agrees."""
    for name, text in SECRETS.items():
        (tmp_path / name).write_text(f"{text}\n")
    text = path.read_text().replace("/run/secrets", str(tmp_path))
    config = load(text.encode(), ENVIRONMENT, path.name).config
    problems = Problems(path.name)
    destinations = config.traces.forward if config.traces else {}
    for options, entries in (
        (kinds.probes, config.probes),
        (kinds.destinations, destinations),
        (kinds.receivers, config.alerts.receivers),
    ):
        for name, entry in entries.items():
            convert(entry.rest, options[entry.type], problems, name)
    assert [str(problem) for problem in problems] == []
    for name, entry in config.probes.items():
        readings = PROBES.find(entry.type).readings
        for bounds in entry.bounds.values():
            unknown = {reading for reading in bounds if not reading.startswith("phase.")} - {*readings, "duration"}
            assert not unknown, name
    jsonschema.Draft202012Validator(json_schema(File, kinds)).validate(yaml.safe_load(text))


def test_one_example_has_every_key_of_traces():
    """A reader of it has seen all there is, and a new key is shown there too."""

    def keys(type_, before=""):
        for key in (found.encode_name for found in fields(type_) if found.name != "rest"):
            yield f"{before}{key}"

    written = yaml.safe_load((FOLDER / "examples" / "traces.yaml").read_text())["traces"]
    shown = {*written, *(f"{one}.{key}" for one in written if isinstance(written[one], dict) for key in written[one])}
    shown |= {f"tls.{key}" for key in written["receive"]["tls"]}
    parts = {"receive": Receive, "queue": QueueLimits, "metrics": RequestMetrics, "own_spans": OwnSpans}
    assert shown >= {*keys(Traces), *keys(ReceiveTls, "tls.")}
    assert shown >= {key for name, part in parts.items() for key in keys(part, f"{name}.")}
    assert {key for one in written["forward"].values() for key in one} >= set(keys(Destination))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_shipped_file_holds_no_secret(path):
    """Passwords and tokens are references, or not there at all."""
    for word in ("password:", "bearer: ", "routing_key: ", "secret: ", "authorization: "):
        for line in path.read_text().splitlines():
            assert word not in line or "${" in line
