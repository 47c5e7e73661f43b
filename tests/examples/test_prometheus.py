"""The shipped rules are those that the command writes (REGENERATE=1 writes them anew)."""

import os
from pathlib import Path

import pytest

from outrider.__main__ import main

FOLDER = Path(__file__).parents[2] / "examples" / "prometheus"


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("outrider-rules.yaml", ()),
        ("outrider-rules.test.yaml", ("--tests",)),
        ("alertmanager.yaml", ("--alertmanager",)),
    ],
)
def test_a_copy_is_what_the_command_writes(name, option, capsys):
    """Whoever takes the copy gets the same as whoever runs the command."""
    assert main(["slo", "rules", *option]) == 0
    written = capsys.readouterr().out
    if os.environ.get("REGENERATE"):
        (FOLDER / name).write_text(written)
    assert (FOLDER / name).read_text() == written
