"""`outrider probe` runs once and shows what was found."""

import json

import pytest

from outrider.__main__ import main
from tests.agent.cli.test_check import write

__all__ = ["write"]

FILE = "service: a\nprobes:\n  me: {type: memory, of: self}\n  gone: {type: http, url: 'http://127.0.0.1:1/'}\n"


def test_a_table_of_all(write, capsys):
    """One row each, with reason or readings; 1 because one failed."""
    assert main(["probe", "-c", write(FILE)]) == 1
    head, me, gone = capsys.readouterr().out.splitlines()
    assert head.split() == ["PROBE", "TYPE", "OUTCOME", "TOOK", "FOUND"]
    assert "used" in me
    assert "connect_refused in connect" in gone


def test_one_by_name_passes(write, capsys):
    """0, and only that one."""
    assert main(["probe", "me", "-c", write(FILE)]) == 0
    assert "gone" not in capsys.readouterr().out


def test_json_has_readings_and_phases(write, capsys):
    """For tools."""
    main(["probe", "-c", write(FILE), "--json"])
    me, gone = json.loads(capsys.readouterr().out)
    assert {reading["name"] for reading in me["readings"]} >= {"used", "used_bytes"}
    assert (gone["outcome"], gone["reason"], gone["phase"]) == ("fail", "connect_refused", "connect")


def test_debug_shows_phases(write, capsys):
    """Where the time went."""
    main(["probe", "gone", "-c", write(FILE), "--debug"])
    assert "phase resolve" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "said"), [("mee", "did you mean `me`"), ("zzz", "known here: me, gone")])
def test_an_unknown_name_is_64(write, capsys, name, said):
    """With what was probably meant."""
    assert main(["probe", name, "-c", write(FILE)]) == 64
    assert said in capsys.readouterr().err


def test_no_probes_is_said(write, capsys):
    """An empty file is no error."""
    assert main(["probe", "-c", write("service: a\nprobes: {}\n")]) == 0
    assert "no probes" in capsys.readouterr().out
