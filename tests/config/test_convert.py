"""From nodes to typed values, all problems at once."""

import enum
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, field

from config.convert import convert, join
from config.errors import MOST, ConfigError, Position, Problems
from config.interpolate import Interpolation
from config.options import Options
from config.shapes import Rest
from config.types import Bound, Duration, Ratio, Secret, Size, StatusRanges, Url
from config.yaml import Mapping, parse


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Word:
    """A plug-in's own type, whose error repeats the value."""

    @classmethod
    def parse(cls, text):
        raise ValueError(f"{text} is a bad word")

    @classmethod
    def json_schema(cls):
        return {"description": "a good word"}


class Inner(Options, frozen=True, kw_only=True):
    name: str
    count: Annotated[int, Meta(ge=1, le=10)] = 1


class Other(Options, frozen=True, kw_only=True):
    other: Duration
    name: int = 0


class Outer(Options, frozen=True, kw_only=True):
    text: str = ""
    number: float = 0.0
    count: int = 0
    flag: bool = False
    interval: Annotated[Duration, Meta(gt=0, le=3600)] = Duration(10)
    ratio: Annotated[Ratio | None, Meta(ge=0.5)] = None
    size: Annotated[Size, Meta(ge=1024)] = Size(1024)
    url: Url | None = None
    secret: Annotated[Secret, Meta(min_length=4)] | None = None
    colour: Colour = Colour.RED
    level: Literal["info", "debug", 3] = "info"
    many: Annotated[tuple[str, ...], Meta(max_length=2)] = ()
    pair: tuple[int, int] | None = None
    listed: list[int] = field(default_factory=list)
    inner: Inner | None = None
    inners: dict[Annotated[str, Meta(pattern="^[a-z]+$", description="small letters")], Inner] = field(
        default_factory=dict
    )
    bounds: dict[str, Bound] = field(default_factory=dict)
    status: StatusRanges | None = None
    choice: bool | Inner | Duration | list[int] = False
    several: Inner | Other | None = None
    free: Any = None
    kept: Mapping | None = None
    word: Word | None = None
    for_: int = field(default=0, name="for")
    either: dict[str, str | int | float | bool | None] = field(default_factory=dict)

    def problems(self):
        if self.text == "forbidden":
            yield "text", "must not be forbidden; write something else"
        if self.url and self.url.reveal().endswith("canary"):
            yield "url", f"is {self.url.reveal()}; write another"
        for name, inner in self.inners.items():
            if inner.name == name:
                yield f"inners.{name}.name", "repeats its key; write another"


def read(source, type_=Outer, environment=None):
    """The value of a source, and its problems as lines."""
    problems = Problems("f.yaml")
    node = Interpolation(environment or {}, problems).resolve(parse(source, "f.yaml", problems))
    value = convert(node, type_, problems)
    return value, [str(problem).removeprefix("f.yaml:") for problem in problems]


@pytest.mark.parametrize(
    ("source", "key", "value"),
    [
        ("text: 1.10", "text", "1.10"),
        ("text: true", "text", "true"),
        ("text: ''", "text", ""),
        ("number: 5", "number", 5.0),
        ("count: -3", "count", -3),
        ("flag: true", "flag", True),
        ("interval: 5m", "interval", 300.0),
        ("size: 2048", "size", 2048),
        ("colour: blue", "colour", Colour.BLUE),
        ("level: debug", "level", "debug"),
        ("level: 3", "level", 3),
        ("many: [a, 5]", "many", ("a", "5")),
        ("many:", "many", ()),
        ("pair: [3, 5]", "pair", (3, 5)),
        ("pair:", "pair", None),
        ("listed: [1]", "listed", [1]),
        ("inner: {name: x}", "inner", Inner(name="x")),
        ("inners: {a: {name: x, count: 2}}", "inners", {"a": Inner(name="x", count=2)}),
        ("inners:", "inners", {}),
        ("bounds: {used: 80%}", "bounds", {"used": Bound(0.8, "ratio")}),
        ("status: 204", "status", StatusRanges(((204, 204),))),
        ("status: [200, 300-399]", "status", StatusRanges(((200, 200), (300, 399)))),
        ("choice: true", "choice", True),
        ("choice: 5s", "choice", 5.0),
        ("choice: {name: x}", "choice", Inner(name="x")),
        ("choice: [1, 2]", "choice", [1, 2]),
        ("several: {name: x}", "several", Inner(name="x")),
        ("several: {other: 5s}", "several", Other(other=Duration(5))),
        ("free: {a: [1, .5, true, null, x, 012]}", "free", {"a": [1, 0.5, True, None, "x", "012"]}),
        (f"free: {'9' * 50}", "free", "9" * 50),
        ("for: 3", "for_", 3),
        (
            "either: {a: x, b: 1, c: .5, d: true, e: null, f: '5'}",
            "either",
            {"a": "x", "b": 1, "c": 0.5, "d": True, "e": None, "f": "5"},
        ),
    ],
)
def test_values(source, key, value):
    """Each type takes what a person would write for it."""
    found, problems = read(source)
    assert problems == []
    assert getattr(found, key) == value
    assert isinstance(getattr(found, key), type(value))


def test_a_node_is_kept():
    """A field of a node's type keeps the node, with its places."""
    found, _ = read("kept:\n  a: 1\n")
    assert found.kept.keys["a"] == Position(2, 3)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("txt: x", "1:1: txt: unknown key; did you mean `text`?"),
        ("zzzzzz: x", "1:1: zzzzzz: unknown key; known here: text, number, count"),
        ("text:", "1:6: text: an empty value is not a text"),
        ("text: [a]", "1:7: text: is a list; write a text"),
        ("number: fast", "1:9: number: 'fast' is not a number; write one such as 0.5"),
        ("number: 1e999", "has too many digits"),
        ("number: '0.5'", "'0.5' is text, not a number; remove the quotes"),
        ("count: 1.5", "1:8: count: '1.5' is not a whole number"),
        ("count: '3'", "'3' is text, not a number; remove the quotes"),
        ("count: 10s", "'10s' is not a whole number"),
        ("count: 012", "'012' is not a whole number"),
        (f"count: {'9' * 5000}", "has too many digits"),
        ("flag: yes", "1:7: flag: 'yes' is not true or false; write true"),
        ("flag: Off", "'Off' is not true or false; write false"),
        ("flag: 'true'", "'true' is not true or false; write true or false, without quotes"),
        ("flag: {a: 1}", "is a mapping; write true or false"),
        ("interval: 10", "1:11: interval: '10' has no unit; write 10s or 500ms"),
        ("interval: 0s", "'0s' is too small; write more than 0s"),
        ("interval: 2h", "'2h' is too large; write at most 1h"),
        ("interval:", "an empty value is not a duration such as 500ms"),
        ("ratio: 10%", "'10%' is too small; write at least 50%"),
        ("size: 1B", "'1B' is too small; write at least 1KiB"),
        ("url: nope", "1:6: url: the value is not a URL"),
        ("secret: abc", "the value has only 3 characters; write at least 4"),
        ("secret: ''", "the value is empty; write at least 4"),
        ("colour: green", "'green' is not one of red, blue"),
        ("level: trace", "'trace' is not one of info, debug, 3"),
        ("level: [a]", "is a list; write one of info, debug, 3"),
        ("many: x", "1:7: many: is one value; write a list: [first, second]"),
        ("many: [a, b, c]", "has 3 entries; write at most 2"),
        ("many: [a, [b]]", "1:11: many[1]: is a list; write a text"),
        ("pair: [1]", "has 1 entries; write exactly 2"),
        ("pair: [1, x]", "1:11: pair[1]: 'x' is not a whole number"),
        ("inner: x", "stands where keys belong; known here: name, count"),
        ("inner: {count: 1}", "1:8: inner: needs the key `name`: a text"),
        ("inner: {name: x, count: 11}", "inner.count: '11' is too large; write at most 10"),
        ("inners: [a]", "stands where names belong"),
        ("inners: {A1: {name: x}}", "1:10: inners.A1: 'A1' does not fit; write small letters"),
        ('inners: {"a\\n": {name: x}}', "does not fit; write small letters"),
        ("inners: {a: {name: a}}", "1:14: inners.a.name: repeats its key"),
        ("bounds: {used: lots}", "1:16: bounds.used: 'lots' is not a threshold"),
        ("bounds: {a.b c: x}", "bounds.'a.b c': 'x' is not a threshold"),
        ("status: [200, [1]]", "is a list; write HTTP statuses"),
        ("choice: maybe", "'maybe' does not fit; write true or false or keys and values or a duration"),
        ("choice: {nam: x}", "choice.nam: unknown key; did you mean `name`?"),
        ("several: {other: 5}", "1:18: several.other: '5' has no unit"),
        ("choice: [x]", "choice[0]: 'x' is not a whole number"),
        ("word: x", "'x' does not fit: x is a bad word"),
        ("text: forbidden", "1:1: text: must not be forbidden; write something else"),
        ("[1]", "1:1: stands where keys belong"),
    ],
)
def test_what_is_wrong_and_what_would_be_right(source, says):
    """One fault gives one line with its place, and no value."""
    value, problems = read(source)
    assert value is None
    assert len(problems) == 1, problems
    assert says in problems[0]


def test_all_problems_come_at_once_in_the_order_of_the_file():
    """Nothing hides anything else, however deep, and the lines are in the file's order."""
    source = "flag: yes\ntxt: 1\ninner:\n  count: 0\ninners:\n  a: {name: [1]}\n  b: {nme: x, count: z}\ninterval: 5\n"
    _, problems = read(source)
    assert [problem.split(": ")[0] + " " + problem.split(": ")[1] for problem in problems] == [
        "1:7 flag",
        "2:1 txt",
        "4:3 inner",
        "4:10 inner.count",
        "6:13 inners.a.name",
        "7:7 inners.b.nme",
        "7:22 inners.b.count",
        "8:11 interval",
    ]


def test_values_from_outside_are_typed_by_who_reads_them():
    """A quoted reference may be a number, a boolean, a duration or a list of texts."""
    source = (
        "{count: '${N}', flag: '${B}', number: '${N}', text: '${N}', interval: '${I}', many: ['${N}'], free: '${N}'}"
    )
    value, problems = read(source, environment={"N": "5", "B": "true", "I": "5s"})
    assert problems == []
    assert (value.count, value.flag, value.number, value.text) == (5, True, 5.0, "5")
    assert (value.interval, value.many, value.free) == (5.0, ("5",), 5)


@pytest.mark.parametrize("key", ["count", "flag", "number", "interval", "url", "colour", "level", "word", "choice"])
def test_an_error_never_repeats_a_value_from_outside(key):
    """What a variable holds is called by the variable's name, also where a type would repeat it."""
    value, problems = read(f"{key}: ${{TOKEN}}", environment={"TOKEN": "hunter2 canary"})
    assert value is None
    assert len(problems) == 1
    assert "hunter2" not in problems[0]
    assert "the value of ${TOKEN}" in problems[0]


def test_a_rule_of_a_plugin_cannot_repeat_a_value_from_outside():
    """Even a careless `problems()` shows the reference and not the value."""
    _, problems = read("url: ${U}", environment={"U": "http://h/canary"})
    assert problems == ["1:1: url: is the value of ${U}; write another"]


def test_an_unresolved_value_is_told_once():
    """A reference that failed is not also a value of the wrong type."""
    value, problems = read("count: ${NONE}\npair: [1, '${NONE}']\ninners: {a: {name: '${NONE}'}}")
    assert value is None
    assert len(problems) == 3
    assert all("NONE is not set" in problem for problem in problems)


class Entry(Options, frozen=True, kw_only=True):
    type: str
    rest: Rest


def test_the_rest_is_for_somebody_else():
    """A struct with a rest keeps the keys it does not know, with their places."""
    value, problems = read("type: x\nurl: y\nz: {a: 1}\n", Entry)
    assert problems == []
    assert value.type == "x"
    assert list(value.rest.items) == ["url", "z"]
    assert value.rest.keys["z"] == Position(3, 1)


def test_a_typing_error_in_a_common_key_is_recognised_by_who_reads_the_rest():
    """The rest remembers which keys its owner takes, and suggests them too."""
    value, _ = read("tpe: x\ntype: y\n", Entry)
    problems = Problems("f.yaml")
    assert convert(value.rest, Inner, problems, "p") is None
    assert "f.yaml:1:1: p.tpe: unknown key; did you mean `type`?" in [str(problem) for problem in problems]


def test_a_type_that_cannot_be_written_is_the_programmers_fault():
    """A field of a type that no text means raises; it is no problem of the file."""

    class Wrong(Options, frozen=True):
        value: bytes = b""

    with pytest.raises(TypeError, match="cannot be read from a file"):
        read("value: x", Wrong)


def test_many_problems_are_cut():
    """A file that is wrong everywhere does not fill a terminal."""
    problems = Problems("f.yaml")
    for number in range(MOST + 10):
        problems.add("", f"fault {number}", Position(number + 1, 1))
    problems.add("", "fault 0", Position(1, 1))
    with pytest.raises(ConfigError) as refused:
        problems.raise_if_any()
    lines = str(refused.value).splitlines()
    assert len(lines) == MOST + 1
    assert lines[-1] == "... and 10 more"
    assert len(refused.value.problems) == MOST + 10


def test_problems_without_a_place_come_last():
    """What has a place is told first, in the order of the file."""
    problems = Problems("a")
    problems.add("x", "wrong")
    problems.add("y", "bad", Position(1, 2))
    assert [str(problem) for problem in problems] == ["a:1:2: y: bad", "a: x: wrong"]


def test_long_values_are_cut_and_stay_on_one_line():
    """An error shows the beginning of a value, with line breaks escaped."""
    _, problems = read('level: "' + "x\\n" * 100 + '"')
    assert len(problems[0]) < 150
    assert "\n" not in problems[0]
    assert "..." in problems[0]


def test_paths():
    """Odd keys are quoted in a path."""
    assert join("", "a") == "a"
    assert join("a", "b-c_1") == "a.b-c_1"
    assert join("a", "b.c") == "a.'b.c'"
