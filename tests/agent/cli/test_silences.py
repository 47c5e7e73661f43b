"""`outrider alerts silence`, `silences` and `unsilence` at a real agent."""

import json

import pytest

from outrider.__main__ import main
from tests.running import agent

FOR = ["--for", "2h", "--why", "upgrade to 18"]


@pytest.fixture(scope="module")
def running():
    """An agent without anything to do."""
    with agent("") as started:
        started.until("/livez")
        yield started


@pytest.fixture
def run(running, monkeypatch, capsys):
    """Runs `outrider alerts ...` at that agent; gives the exit code and what was said."""
    monkeypatch.setenv("USER", "alice")

    def command(*words):
        code = main(["alerts", *words])
        said = capsys.readouterr()
        return code, said.out + said.err

    return command


@pytest.fixture
def url(running):
    """Where its admin listener is."""
    return f"http://127.0.0.1:{running.admin}"


def test_made_shown_and_ended(run, url, running):
    """By a URL before the matchers, or by the file; each says what came of it."""
    code, said = run("silence", url, "slo=orders", "team=~pay.*", *FOR)
    assert code == 0
    assert said.startswith("silence ")
    assert said.endswith("Z, kept by this agent: slo=orders team=~pay.*\n")
    id_ = said.split()[1]
    code, said = run("silences", "-c", str(running.file))
    head, row = said.splitlines()
    assert head.split() == ["ID", "UNTIL", "KEPT", "BY", "MATCHERS", "BY", "WHY"]
    assert row.startswith(id_)
    assert "slo=orders team=~pay.*  127.0.0.1 (outrider, for alice)  upgrade to 18" in row
    assert run("unsilence", id_, url) == (0, f"silence {id_} is over; what still fires is told now\n")
    assert run("silences", url) == (0, "No silences.\n")


def test_as_json(run, url):
    """For scripts, what the API answers."""
    made = json.loads(run("silence", url, "slo=orders", *FOR, "--json")[1])
    assert json.loads(run("silences", url, "--json")[1]) == {"silences": [made]}
    assert json.loads(run("unsilence", made["id"], url, "--json")[1]) == {"silences": []}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["silence", "URL", "orders", *FOR], "outrider: `matchers[0]` is no matcher; write such as slo=orders"),
        (["silence", "URL", "a=b", "--for", "5s", "--why", "x"], "outrider: `for` must be from 1m to 30d"),
        (["silence", "URL", *FOR], "outrider: the silence has no matcher"),
        (["unsilence", "nope", "URL"], "outrider: there is no silence of this id, or it is over"),
    ],
)
def test_what_cannot_be_done_is_64(run, url, words, said):
    """In the agent's own words."""
    code, told = run(*(url if word == "URL" else word for word in words))
    assert (code, told.startswith(said)) == (64, True), told


def test_nobody_there_is_69(run, unused_tcp_port):
    """With where it was looked for."""
    code, said = run("silences", f"http://127.0.0.1:{unused_tcp_port}")
    assert (code, "no agent answers at" in said) == (69, True)


def test_the_public_listener_is_told_apart(run, running):
    """It has no such path, and says where it is."""
    code, said = run("silences", f"http://127.0.0.1:{running.public}")
    assert (code, "the page and the API are on listen.admin" in said) == (64, True)
