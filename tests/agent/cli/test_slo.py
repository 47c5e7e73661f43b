"""`outrider slo` writes rules, and explains objectives."""

import json

import pytest
import yaml

from outrider.__main__ import main

SOUND = 'service: shop\nprobes:\n  db: {type: http, url: "http://127.0.0.1:9", slo: 99.9%}\n'
FAULTY = SOUND.replace("99.9%", "90%")


@pytest.fixture
def write(tmp_path):
    """Writes a file and gives its path."""

    def written(text):
        file = tmp_path / "outrider.yaml"
        file.write_text(text)
        return str(file)

    return written


@pytest.mark.parametrize(
    ("option", "key"), [((), "groups"), (("--tests",), "tests"), (("--alertmanager",), "inhibit_rules")]
)
def test_rules_need_no_file(option, key, capsys, monkeypatch):
    """Each of the three is one YAML document, from nothing."""
    monkeypatch.setenv("OUTRIDER_CONFIG", "/nowhere")
    assert main(["slo", "rules", *option]) == 0
    assert key in yaml.safe_load(capsys.readouterr().out)


def test_an_objective_is_explained(write, capsys):
    """What it allows, and when it calls."""
    assert main(["slo", "check", "-c", write(SOUND)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("db: 99.9% over 30d allows 43.2 minutes; ")
    assert "warning" not in said


def test_a_finding_fails_only_where_asked(write, capsys):
    """For people a warning, with --strict exit code 1."""
    file = write(FAULTY)
    assert main(["slo", "check", "-c", file]) == 0
    assert "  warning: db: " in capsys.readouterr().out
    assert main(["slo", "check", "-c", file, "--strict"]) == 1
    assert main(["slo", "check", "-c", write(SOUND), "--strict"]) == 0


def test_json_has_the_same(write, capsys):
    """For tools."""
    assert main(["slo", "check", "-c", write(FAULTY), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["objectives"]
    assert (row["name"], row["service"], row["objective"], row["window_seconds"]) == ("db", "shop", 0.9, 2592000)
    assert row["findings"]
    assert row["explanation"].startswith("db: 90%")


def test_no_objectives_are_no_fault(write, capsys):
    """It says how to get one."""
    assert main(["slo", "check", "-c", write("service: shop\n"), "--strict"]) == 0
    assert "No objectives." in capsys.readouterr().out


def test_a_bad_file_is_told_with_its_place(write, capsys):
    """As every command does."""
    assert main(["slo", "check", "-c", write("service: shop\nslos: 3\n")]) == 78
    assert "outrider.yaml:2" in capsys.readouterr().err
