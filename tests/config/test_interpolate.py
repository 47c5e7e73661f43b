"""References in scalars."""

import os
from pathlib import Path

import pytest

from config.errors import Problems
from config.interpolate import Interpolation
from config.yaml import parse


def resolve(source, environment):
    """The resolved node, the problems as lines, and the files that were asked for."""
    problems = Problems()
    interpolation = Interpolation(environment, problems)
    node = interpolation.resolve(parse(source, "f.yaml", problems))
    return node, [str(problem) for problem in problems], interpolation.files


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("${A}", "one"),
        ("x${A}y${B}z", "xoneytwoz"),
        ("${NONE:-}", ""),
        ("${NONE:-de:-fault}", "de:-fault"),
        ("${EMPTY:-default}", "default"),
        ("${A:-default}", "one"),
        ("$${A}", "${A}"),
        ("$$ $A $", "$$ $A $"),
        ("$${A}${B}", "${A}two"),
        ("${RECURSIVE}", "${A} $${B}"),
        ("${SYNTAX}", "{a: [1]} # x: y"),
    ],
)
def test_references(written, text):
    """Each form gives its value, once: what comes in is neither expanded nor parsed again."""
    environment = {"A": "one", "B": "two", "EMPTY": "", "RECURSIVE": "${A} $${B}", "SYNTAX": "{a: [1]} # x: y"}
    node, problems, _ = resolve(f"a: {{b: ['{written}']}}", environment)
    assert not problems
    assert node.items["a"].items["b"].items[0].text == text


def test_where_a_value_came_from_stays_known():
    """A resolved scalar names its references and is typed by who reads it; others keep their kind."""
    node, _, _ = resolve("{a: '${A:-x}/${B}', b: 5, c: '$${A}'}", {"B": "two"})
    assert (node.items["a"].kind, node.items["a"].origin) == ("open", "${A} ${B}")
    assert (node.items["b"].kind, node.items["b"].origin) == ("int", "")
    assert (node.items["c"].kind, node.items["c"].origin) == ("str", "")


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("${NONE}", "the environment variable NONE is not set; set it, or write ${NONE:-default}"),
        ("${", "has a `${` that is never closed"),
        ("${A", "has a `${` that is never closed"),
        ("${}", "has a reference that cannot be read; write ${NAME}"),
        ("${A-x}", "has a reference that cannot be read"),
        ("${1A}", "has a reference that cannot be read"),
        ("${BAD}", "the environment variable BAD is not UTF-8 text"),
        ("${file:secret}", "is not an absolute path; write its absolute path: ${file:/run/secrets/secret}"),
        ("${file:/nowhere/at/all}", "the file '/nowhere/at/all' cannot be used: No such file or directory"),
        ("${file:/tmp}", "the file '/tmp' cannot be used: Is a directory"),
        ("${file:/dev/zero}", "the file '/dev/zero' cannot be used: it is not a regular file"),
    ],
)
def test_what_cannot_be_resolved_is_told_with_its_place(written, says):
    """A reference that leads nowhere is one problem at its place, and leaves a marked scalar."""
    node, problems, _ = resolve(f"a:\n  b: '{written}'\n", {"A": "one", "BAD": "caf\udce9"})
    assert len(problems) == 1
    assert problems[0].startswith("f.yaml:2:6: a.b: ")
    assert says in problems[0]
    assert node.items["a"].items["b"].kind == "unresolved"


def test_all_references_are_tried():
    """Two that fail in one scalar are two problems, and a good one beside them changes nothing."""
    _, problems, _ = resolve("a: ${X}${Y}${A}\nb: [1, '${Z}']", {"A": "one"})
    assert [problem.split("variable ")[1][0] for problem in problems] == ["X", "Y", "Z"]
    assert "b[1]" in problems[2]


def test_files(tmp_path):
    """A file's text stands without its last newline, and every file that was asked for is known."""
    (tmp_path / "unix").write_bytes(b"s3cret \n")
    (tmp_path / "windows").write_bytes(b"two\nlines\r\n")
    missing = tmp_path / "missing"
    text = f"a: ${{file:{tmp_path}/unix}}\nb: ${{file:{tmp_path}/windows}}\nc: ${{file:{missing}}}\n"
    node, problems, files = resolve(text, {})
    assert node.items["a"].text == "s3cret "
    assert node.items["a"].origin == f"${{file:{tmp_path}/unix}}"
    assert node.items["b"].text == "two\nlines"
    assert len(problems) == 1
    assert files == {tmp_path / "unix", tmp_path / "windows", missing}


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"x" * 70_000, "larger than 64 KiB"), (b"caf\xe9", "not UTF-8 text"), (b"a\0b", "holds a NUL character")],
)
def test_a_file_that_is_no_secret(tmp_path, content, says):
    """What cannot be a text of reasonable size is refused, and its content is not shown."""
    (tmp_path / "f").write_bytes(content)
    _, problems, _ = resolve(f"a: ${{file:{tmp_path}/f}}", {})
    assert len(problems) == 1
    assert says in problems[0]


def test_a_pipe_does_not_block(tmp_path):
    """A named pipe that nobody writes to is refused at once."""
    os.mkfifo(tmp_path / "pipe")
    _, problems, _ = resolve(f"a: ${{file:{tmp_path}/pipe}}", {})
    assert "is not a regular file" in problems[0]


def test_a_file_is_read_anew_each_time(tmp_path):
    """Resolving again sees a secret that was rotated."""
    secret = Path(tmp_path, "s")
    text = f"a: ${{file:{secret}}}"
    secret.write_text("old")
    assert resolve(text, {})[0].items["a"].text == "old"
    secret.write_text("new")
    assert resolve(text, {})[0].items["a"].text == "new"
