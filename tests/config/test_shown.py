"""What may be shown of a file: masked for the API, as a schema for editors, and never a secret in an error."""

import json
from typing import Annotated

import jsonschema
import pytest
import yaml
from msgspec import Meta, field

from config.errors import ConfigError
from config.kinds import Kinds
from config.load import load
from config.model import File
from config.options import Options
from config.schema import json_schema
from config.types import Bound, Duration, HostPort, ListenAddress, Rate, Ratio, Secret, Size, StatusRanges, Url

CANARY = "hunter2canary"


class Auth(Options, frozen=True, kw_only=True):
    user: str = ""
    password: Secret | None = None


class Web(Options, frozen=True, kw_only=True):
    url: Url
    headers: dict[str, str] = field(default_factory=dict)
    auth: Auth | None = None
    tokens: tuple[Secret, ...] = ()
    status: StatusRanges | None = None
    timeout: Annotated[Duration, Meta(description="for an attempt")] = Duration(1)
    expect: dict[str, str | int] = field(default_factory=dict)


class Hook(Options, frozen=True, kw_only=True):
    urls: Annotated[tuple[Url, ...], Meta(min_length=1)]


KINDS = Kinds(probes={"web": Web}, destinations={"otlp_http": Web}, receivers={"hook": Hook})

FULL = f"""
service: ${{NAME:-shop}}
labels: {{team: payments}}
probes:
  app:
    type: web
    interval: 5s
    url: https://user:{CANARY}@h/p?token={CANARY}
    headers: {{authorization: "Bearer {CANARY}", accept: "${{ACCEPT}}"}}
    auth: {{user: me, password: {CANARY}}}
    tokens: [{CANARY}, "${{TOKEN}}", "${{TOKEN:-{CANARY}}}"]
    status: [200, 201-204]
    expect: {{answer: 42}}
    slo: 99%
  strange:
    type: unheard-of
    password: {CANARY}
    nested: {{key: [{CANARY}, "${{TOKEN}}"]}}
traces:
  forward:
    gw: {{url: "http://{CANARY}@gw:4318"}}
alerts:
  receivers:
    hook: {{type: hook, urls: ["${{HOOK}}", "https://h/?key={CANARY}", "no url {CANARY}"]}}
"""
ENVIRONMENT = {"ACCEPT": CANARY, "TOKEN": CANARY, "HOOK": f"https://h/{CANARY}"}


def test_masked_shows_everything_but_secrets():
    """References stay as written, secrets and unknown kinds are masked, the rest is the file."""
    shown = load(FULL.encode(), ENVIRONMENT).masked(KINDS)
    assert shown["service"] == "${NAME:-shop}"
    assert shown["labels"] == {"team": "payments"}
    assert shown["probes"]["app"] == {
        "type": "web",
        "interval": "5s",
        "url": "https://user:***@h/p?token=***",
        "headers": {"authorization": "***", "accept": "${ACCEPT}"},
        "auth": {"user": "me", "password": "***"},
        "tokens": ["***", "${TOKEN}", "***"],
        "status": [200, "201-204"],
        "expect": {"answer": 42},
        "slo": "99%",
    }
    assert shown["probes"]["strange"] == {
        "type": "unheard-of",
        "password": "***",
        "nested": {"key": ["***", "${TOKEN}"]},
    }
    assert shown["traces"]["forward"]["gw"] == {"url": "http://***@gw:4318"}
    assert shown["alerts"]["receivers"]["hook"]["urls"] == ["${HOOK}", "https://h/?key=***", "***"]


def test_masked_without_kinds_shows_no_option():
    """Whoever does not know the kinds sees names and common keys, never an option's value."""
    loaded = load(FULL.encode(), ENVIRONMENT)
    shown = loaded.masked()
    assert shown["probes"]["app"]["interval"] == "5s"
    assert shown["probes"]["app"]["expect"] == {"answer": "***"}
    for text in (json.dumps(shown), json.dumps(loaded.masked(KINDS)), repr(loaded.config), repr(loaded.root)):
        assert CANARY not in text


@pytest.mark.parametrize(
    "spoilt",
    [
        "service: [${T}]",
        "service: s\nstate_dir: '${T}'",
        "service: s\nlisten: {public: '${T}', admin: '${T}'}",
        "service: s\nlog: {level: '${T}', format: '${T}'}",
        "service: s\nmetrics: {blackbox_names: '${T}'}",
        "service: s\ndefaults: {interval: '${T}', shared: '${T}'}",
        "service: s\nprobes: {a: {type: web, slo: '${T}', failures_of: ['${T}', 1], degraded_above: {x: '${T}'}}}",
        "service: s\nreadiness: {shared: '${T}', drain: '${T}'}",
        "service: s\nslos: {a: {objective: '${T}', sli: {probe: '${T}'}, runbook_url: '${T}'}}",
        "service: s\nalerts: {receivers: {a: {type: x}}, routes: [{to: ['${T}'], match: {severity: '${T}'}}]}",
        "service: s\nalerts: {receivers: {a: {type: x}}, routes: [{to: [b], match: {severity: '${T}'}}]}",
    ],
)
def test_no_error_shows_a_value_from_outside(spoilt):
    """Wherever a variable's value does not fit, the error names the variable."""
    for text in (spoilt, spoilt.replace("[${T}]", "['${T}']")):
        with pytest.raises(ConfigError) as refused:
            load(text.encode(), {"T": CANARY})
        assert CANARY not in str(refused.value)
        assert CANARY not in repr(refused.value.problems)


SCHEMA = json_schema(File, KINDS)


def errors(text):
    """What the schema says against a file."""
    return list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(yaml.safe_load(text)))


def test_the_schema_is_a_schema():
    """It is valid JSON Schema 2020-12, and made of JSON alone."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    assert not errors(FULL.replace(f', "no url {CANARY}"', ""))


@pytest.mark.parametrize(
    "text",
    [
        "service: s\nprobs: {}",
        "probes: {}",
        "service: s\nprobes: {app: {type: web}}",
        "service: s\nprobes: {app: {type: web, url: 'http://h', intervall: 5s}}",
        "service: s\nprobes: {app: {type: web, url: 5}}",
        "service: s\nprobes: {app: {type: web, url: 'http://h', interval: 5}}",
        "service: s\nprobes: {APP: {type: web, url: 'http://h'}}",
        "service: s\nprobes: {app: {type: web, url: 'http://h', failure_threshold: 0}}",
        "service: s\nprobes: {app: {type: web, url: 'http://h', failures_of: [1]}}",
        "service: s\nlog: {level: loud}",
        "service: s\ntraces: {forward: {}}",
        "service: s\ntraces: {forward: {gw: {}}}",
        "service: s\nalerts: {receivers: {a: {type: hook, urls: []}}}",
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(text):
    """An editor sees the same faults as `outrider check`."""
    assert errors(text)


def test_the_schema_takes_references_and_other_kinds():
    """Any value may be a reference, and a plug-in's own kind may have any key."""
    assert not errors(
        "service: ${S}\nreadiness: {drain: '${D}', fail_on_degraded: '${F}'}\n"
        "probes: {a: {type: 'my.module:Probe', anything: 5, failure_threshold: '${N}', runbook_url: '${R}'}}\n"
    )


@pytest.mark.parametrize(
    ("type_", "texts"),
    [
        (Duration, ["500ms", "1h30m", 0]),
        (Ratio, ["99.9%", 0.5]),
        (Size, ["64MiB", "64Mi", "5kB", 100]),
        (Rate, ["5/min", "0.5/s"]),
        (Bound, ["80%", "10s", 12, "5/min"]),
        (HostPort, ["h:1"]),
        (ListenAddress, ["*:9740", "unix:/run/x"]),
        (StatusRanges, [200, "200-299", "200, 204", [200, "300-399"]]),
        (Url, ["http://h/"]),
        (Secret, ["x"]),
    ],
)
def test_every_type_describes_what_it_reads(type_, texts):
    """The schema of a type takes what its parser takes, and describes it."""
    schema = type_.json_schema()
    assert schema["description"]
    for text in texts:
        jsonschema.validate(text, schema)
    if type_ is not Secret:
        assert not jsonschema.Draft202012Validator(schema).is_valid("!!")
