"""From a file to a plan: defaults of the kinds, thresholds that fit, and everything that is wrong in one go."""

import pytest

from agent.assemble import assemble, kinds, schema, slug, survey
from agent.events import Outcome
from config.errors import ConfigError, Problems
from config.load import load


def plan(probes="", rest="service: shop\n"):
    """The plan of a file with these probes."""
    loaded = load(f"{rest}probes:\n{probes}".encode() if probes else rest.encode(), {}, survey=survey)
    problems = Problems("file")
    made = assemble(loaded.config, problems)
    return made, [str(problem) for problem in problems]


def test_a_probe_takes_its_defaults_from_its_kind():
    """An http probe of another host degrades, to this one gates; memory degrades and warns above 90 %."""
    made, wrong = plan(
        "  far: {type: http, url: http://api.example/}\n"
        "  near: {type: http, url: http://127.0.0.1:8000/}\n"
        "  db: {type: postgres, dsn: postgres://h/x}\n"
        "  memory: {type: memory}\n"
    )
    assert wrong == []
    gates = {name: planned.member.when_down for name, planned in made.probes.items()}
    assert gates == {"far": "degraded", "near": "unready", "db": "unready", "memory": "degraded"}
    (bound,) = made.probes["memory"].bounds
    assert (bound.reading, bound.limit, bound.outcome) == ("used", 0.9, Outcome.WARN)


def test_the_file_overrides_the_kind():
    """when_down and thresholds as written; the kind's own threshold only where the file is silent about the reading."""
    made, wrong = plan("  memory: {type: memory, when_down: unready, down_above: {used: 95%}}\n")
    assert wrong == []
    (bound,) = made.probes["memory"].bounds
    assert (made.probes["memory"].member.when_down, bound.limit, bound.outcome) == ("unready", 0.95, Outcome.FAIL)


@pytest.mark.parametrize(
    ("threshold", "said"),
    [
        ("{connections_usd: 80%}", "did you mean `connections_used`"),
        ("{connections_used: 10s}", "a ratio such as 80%"),
        ("{replication_lag: 80%}", "a duration such as 10s"),
        ("{deadlocks: 5}", "a rate such as 5/min"),
        ("{connections_used: 5/min}", "is no counter"),
        ("{duration: 80%}", "one such as 300ms"),
    ],
)
def test_a_threshold_must_fit_its_reading(threshold, said):
    """Unknown readings and units that do not fit are refused with what would be right."""
    _, wrong = plan(f"  db: {{type: postgres, dsn: postgres://h/x, degraded_above: {threshold}}}\n")
    assert len(wrong) == 1
    assert said in wrong[0]
    assert "probes.db.degraded_above" in wrong[0]


@pytest.mark.case("X03")
def test_everything_wrong_is_told_in_one_go():
    """Faults of the file and of the kinds' own keys together, in the order of the file."""
    text = (
        "service: a\nprobs: 1\nprobes:\n  db: {type: postgers}\n  app: {type: http, uri: x, intervall: 3s}\n"
        "traces: {forward: {gw: {endpoint: 'http://x', head: 1}}}\nalerts: {receivers: {a: {type: webhok}}}\n"
    )
    with pytest.raises(ConfigError) as refused:
        load(text.encode(), {}, survey=survey)
    said = str(refused.value)
    for word in (
        "`probes`",
        "'postgers' is not known; known are postgres",
        "`url`",
        "`interval`",
        "`headers`",
        "webhook",
    ):
        assert word in said


def test_a_plug_in_that_cannot_be_loaded_is_one_line():
    """A dotted type that is not there."""
    _, wrong = plan("  x: {type: 'no.such:Thing'}\n")
    assert len(wrong) == 1
    assert "cannot be loaded" in wrong[0]


def test_an_objective_that_cannot_be_judged_is_refused():
    """An interval longer than the short window."""
    _, wrong = plan("  x: {type: memory, interval: 10m, slo: 99.9%}\n")
    assert len(wrong) == 1
    assert "too long for an alert that looks at the last 5m" in wrong[0]


def test_equal_files_make_equal_plans():
    """Comparing plans is how a reload knows what to touch."""
    text = "  db: {type: postgres, dsn: postgres://h/x, slo: 99.9%}\n"
    one, two = plan(text)[0], plan(text)[0]
    assert one.probes == two.probes
    assert one.objectives == two.objectives
    assert one.probes != plan(text.replace("h/x", "h/y"))[0].probes


@pytest.mark.parametrize(
    ("type_", "name"), [("http", "http"), ("acme.probes:Spool", "spool"), ("a:B.C", "c"), ("redis", "redis")]
)
def test_the_slug_of_a_type_fits_a_metric(type_, name):
    """Dotted types become the class's own name."""
    assert slug(type_) == name


def test_the_schema_knows_every_kind():
    """Each kind's keys are in the JSON Schema."""
    text = str(schema())
    for key in ("write_check", "follow_redirects", "dsn", "resend", "compression"):
        assert key in text


def test_kinds_are_those_in_use():
    """Only what the file uses is loaded for masking."""
    made, _ = plan("  m: {type: memory}\n")
    assert list(kinds(made.file).probes) == ["memory"]


def test_forwarding_to_itself_is_refused():
    """Spans would go round for ever."""
    loop = "service: a\ntraces: {forward: {me: {endpoint: 'http://localhost:4318'}}}\n"
    _, wrong = plan(rest=loop)
    assert len(wrong) == 1
    assert "go round for ever" in wrong[0]
    grpc = "{receive: {grpc: '127.0.0.1:4317'}, forward: {me: {type: otlp_grpc, endpoint: 'grpc://localhost'}}}"
    _, wrong = plan(rest=f"service: a\ntraces: {grpc}\n")
    assert "go round for ever" in wrong[0]


OBJECTIVES = """service: shop
probes:
  own:
    type: prometheus
    url: http://127.0.0.1:8000/metrics
    series:
      errors: {metric: failed_total}
      requests: {metric: requests_total}
      latency: {metric: request_duration_seconds, kind: histogram}
      queue_depth: {metric: jobs_waiting}
  db: {type: postgres, dsn: "postgres://h/x"}
  backup: {type: heartbeat, every: 1h, token: x}
slos:
  a: {objective: 99%, sli: SLI}
"""


def objectives(sli):
    """The objectives of a file with this SLI, and what is wrong with it."""
    loaded = load(OBJECTIVES.replace("SLI", sli).encode(), {}, "file", survey=survey)
    problems = Problems("file")
    made = assemble(loaded.config, problems, loaded.root).objectives
    return made, [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("sli", "words", "slot"),
    [
        ("{reading: db.replication_lag, within: 10s}", "db.replication_lag within 10s", 10),
        ("{reading: db.duration, within: 100ms}", "db.duration within 100ms", 10),
        ("{reading: db.phase.connect, within: 5ms}", "db.phase.connect within 5ms", 10),
        ("{reading: db.connections_used, within: 80%}", "db.connections_used within 80%", 10),
        ("{reading: own.queue_depth, within: 1000}", "own.queue_depth within 1000", 10),
        ("{reading: own.size, within: 1MiB}", "own.size within 1MiB", 10),
        ("{counters: {bad: own.errors, total: own.requests}}", "own.errors of requests", 10),
        ("{counters: {bad: own.errors, total: own.latency}}", "own.errors of latency", 10),
        ("{histogram: own.latency, within: 300ms}", "own.latency within 300ms", 10),
        ("{histogram: own.latency, within: 0.3}", "own.latency within 0.3", 10),
        ("{heartbeat: backup}", "probe backup", 10),
    ],
)
def test_what_a_probe_reads_may_be_an_objective(sli, words, slot):
    """Readings, the time that an attempt takes, counters, histograms and heartbeats."""
    ((made,), wrong) = objectives(sli)
    assert (wrong, made.sli, made.slot_seconds) == ([], words, slot)


@pytest.mark.parametrize(
    ("sli", "says"),
    [
        (
            "{reading: db.replication_lg, within: 10s}",
            "29: slos.a.sli.reading: 'db' has no reading 'replication_lg'; did you mean `replication_lag`?",
        ),
        (
            "{reading: db.duraton, within: 10s}",
            "29: slos.a.sli.reading: 'db' has no reading 'duraton'; did you mean `duration`?",
        ),
        (
            "{reading: db.replication_lag, within: 80%}",
            "29: slos.a.sli.reading: does not fit the limit 80%; write a duration such as 10s as `within`",
        ),
        (
            "{reading: db.duration, within: 80%}",
            "29: slos.a.sli.reading: does not fit the limit 80%; write a duration such as 10s",
        ),
        (
            "{reading: own.queue_depth, within: 10s}",
            "29: slos.a.sli.reading: does not fit the limit 10s; write a plain number as `within`",
        ),
        (
            "{reading: db.deadlocks, within: 5}",
            "29: slos.a.sli.reading: only grows, and no limit is good for ever; count it with {counters:",
        ),
        (
            "{counters: {bad: own.queue_depth, total: own.requests}}",
            "40: slos.a.sli.counters.bad: 'queue_depth' is no counter; name a reading that only grows",
        ),
        (
            "{counters: {bad: own.errors, total: own.reqests}}",
            "57: slos.a.sli.counters.total: 'own' has no reading 'reqests'; did you mean `requests`?",
        ),
        (
            "{counters: {bad: own.errors, total: own.duration}}",
            "57: slos.a.sli.counters.total: 'own' has no reading 'duration'; known here",
        ),
        (
            "{histogram: own.errors, within: 300ms}",
            "29: slos.a.sli.histogram: is no histogram; write `kind: histogram` in its series, or {reading:",
        ),
        (
            "{histogram: own.latency, within: 64MiB}",
            "29: slos.a.sli.histogram: does not fit the limit 64MiB; write a duration such as 10s",
        ),
        (
            "{heartbeat: db}",
            "29: slos.a.sli.heartbeat: 'db' is of the type postgres and takes no heartbeats; write {probe: db}",
        ),
    ],
)
def test_an_objective_must_fit_its_probe(sli, says):
    """What the probe does not read, or reads otherwise, is refused with its place and what would be right."""
    _, wrong = objectives(sli)
    assert len(wrong) == 1, wrong
    assert wrong[0].startswith(f"file:14:{says}"), wrong[0]


def test_what_nobody_reads_is_no_objective():
    """A fact about the target that `readings: never` leaves unread would be unknown for ever."""
    text = OBJECTIVES.replace('h/x"', 'h/x", readings: never').replace("SLI", "{reading: db.SAID, within: 10s}")
    for reading, wrong in (("replication_lag", "'db' has `readings: never`, so nobody reads it"), ("duration", "")):
        loaded, problems = load(text.replace("SAID", reading).encode(), {}, survey=survey), Problems("file")
        assemble(loaded.config, problems, loaded.root)
        assert [wrong in str(problem) for problem in problems] == [True] * bool(wrong)
