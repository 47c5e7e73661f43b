"""From bytes to nodes that know their place."""

import time

import pytest

from config.errors import Position, Problems
from config.yaml import Mapping, Scalar, Sequence, parse


def faults(source):
    """Every problem of a source, as lines."""
    problems = Problems()
    parse(source, "f.yaml", problems)
    return [str(problem) for problem in problems]


def read(source):
    """The node of a source that is right."""
    problems = Problems()
    node = parse(source, "f.yaml", problems)
    assert not list(problems)
    return node


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("true", "bool"),
        ("false", "bool"),
        *[(word, "str") for word in ("yes", "no", "on", "off", "True", "FALSE", "y", "n")],
        *[
            (word, "str")
            for word in ("22:22", "012", "0x1F", "0o17", "1_000", "2024-01-01", ".inf", ".nan", "1.2.3", ".")
        ],
        *[(word, "null") for word in ("", "~", "null")],
        *[(word, "int") for word in ("0", "5", "-3", "+7", "123456789012345678901234567890")],
        *[(word, "float") for word in ("0.5", ".5", "1.", "1e3", "-2.5E-3")],
        ('"5"', "str"),
        ("'true'", "str"),
        ("!!str 5", "str"),
        ("! 5", "str"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text, kind):
    """Only true and false are booleans, only decimal numbers are numbers, and quotes make text."""
    node = read(f"a: {text}")
    assert node.items["a"].kind == kind


def test_every_node_knows_its_place():
    """Keys and values stand at the line and column where a person sees them, counted from 1."""
    node = read("a: 1\nböse: [x,\n  {c: 2}]\n")
    assert node.position == Position(1, 1)
    assert node.keys == {"a": Position(1, 1), "böse": Position(2, 1)}
    listed = node.items["böse"]
    assert isinstance(listed, Sequence)
    assert listed.position == Position(2, 7)
    inner = listed.items[1]
    assert isinstance(inner, Mapping)
    assert inner.keys["c"] == Position(3, 4)
    assert inner.items["c"].position == Position(3, 7)


def test_aliases_stand_for_their_anchors():
    """An alias is the same node again."""
    node = read("a: &x {b: [1, 2]}\nc: *x\n")
    assert node.items["a"] is node.items["c"]


def test_nodes_compare_by_what_they_say():
    """A comment or a blank line moves a node and changes nothing about it, and a repr holds no value."""
    assert read("a: {b: hunter2}") == read("# moved\n\na:\n  b: hunter2\n")
    assert read("a: 1") != read("a: 2")
    assert "hunter2" not in repr(read("a: {b: [hunter2]}"))


@pytest.mark.parametrize("source", [b"", b"# only a comment\n", b"---\n"])
def test_nothing_is_no_problem_of_the_syntax(source):
    """An empty document has no node, or an empty one."""
    problems = Problems()
    node = parse(source, "f.yaml", problems)
    assert not problems
    assert node is None or (isinstance(node, Scalar) and node.kind == "null")


def test_a_byte_order_mark_is_not_a_part_of_the_text():
    """UTF-8 with a byte order mark, as Windows writes it, is read as if it had none."""
    assert read(b"\xef\xbb\xbfa: 1") == read("a: 1")


HOSTILE = {
    "python tag": ("a: !!python/object/apply:os.system [id]", "1:4: has the tag"),
    "local tag": ("a: !foo 1", "1:4: has the tag '!foo'; write the value without a tag"),
    "binary": ("a: !!binary aGk=", "has the tag"),
    "tag on a list": ("a: !!str [1]", "has a tag on a list"),
    "duplicate key": ("a: 1\nb: 2\na: 3\n", "3:1: the key 'a' stands here again; keep one (line 1)"),
    "cycle": ("a: &x [*x]", "1:8: `*x` stands inside `&x` itself"),
    "cycle in a mapping": ("a: &x\n  b: {c: *x}\n", "2:10: `*x` stands inside"),
    "unknown alias": ("a: *x", "1:4: `*x` names an anchor that is not above"),
    "merge key": ("a: &x {b: 1}\nc:\n  <<: *x\n", "3:3: merge keys (<<) are not part of YAML 1.2"),
    "two documents": ("a: 1\n---\nb: 2\n", "2:1: holds a second document"),
    "list as key": ("? [a]\n: 1\n", "1:3: has a key that is not a name"),
    "null as key": ("~: 1\n", "1:1: has a key that is not a name"),
    "tab": ("a:\n\tb: 1\n", "2:1: a tab stands where YAML wants spaces"),
    "NUL": ("a: \0", "1:4: holds the control character '\\x00'"),
    "escape": ('a: "\\0"', "1:4: holds an escaped control character"),
    "surrogate": ('a: "\\ud800"', "is not valid YAML"),
    "lone surrogate": ("a: \ud800", "is not Unicode text"),
    "UTF-16": ("a: 1\n".encode("utf-16"), "f.yaml: is UTF-16 or UTF-32; save it as UTF-8"),
    "UTF-16 without mark": ("a: 1\n".encode("utf-16-le"), "is UTF-16 or UTF-32"),
    "UTF-32": ("a: 1\n".encode("utf-32-be"), "is UTF-16 or UTF-32"),
    "not UTF-8": (b"a: 1\nb: caf\xe9\n", "2:7: is not UTF-8; save it as UTF-8"),
    "too big": (b"#" * 1_100_000, "is larger than 1 MiB"),
    "deep list": ("[" * 3000, "is nested deeper than 64 levels"),
    "deep mapping": ("{a: " * 3000, "is nested deeper than 64 levels"),
    "deep blocks": ("- " * 3000 + "x", "is nested deeper than 64 levels"),
    "deep by aliases": (
        "".join(f"a{n}: &a{n} [{f'*a{n - 1}' if n else 1}]\n" for n in range(100)),
        "is nested deeper than 64 levels",
    ),
    "alias bomb": (
        "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
        "holds more than 20000 values",
    ),
    "many values": ("[" + "1," * 400_000 + "]", "holds more than 20000 values"),
    "unclosed quote": ("a: 'x\nb: 1", "close the quote"),
    "unclosed bracket": ("a: [1, 2\nb: 3\n", "close every bracket"),
    "colon in a value": ("a: b: c", "1:5: is not valid YAML (mapping values are not allowed"),
    "reserved character": ("a: @x", "quote a value that starts with @"),
    "bad indentation": ("a:\n   b: 1\n  c: 2\n", "check the indentation"),
    "unknown directive": ("%FOO\n---\n", "is not valid YAML"),
    "reference in a mapping": ("{a: ${file:/x}}", '1:6: a reference inside { } or [ ] must be quoted; write "${NAME}"'),
    "reference in a list": ("a: [${X}]", "must be quoted"),
}


@pytest.mark.parametrize(("source", "says"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_gets_one_line_and_quickly(source, says):
    """Each file that must not be read gives one clear line, and costs next to nothing."""
    started = time.process_time()
    found = faults(source)
    assert time.process_time() - started < 2
    assert len(found) == 1
    assert says in found[0]
    assert "\n" not in found[0]
    assert found[0].startswith("f.yaml:")
    assert len(found[0]) < 300


def test_every_duplicate_key_is_told():
    """Duplicates do not stop the reading: all of them are listed."""
    assert len(faults("a: 1\na: 2\nb: {c: 1, c: 2}\n")) == 2
