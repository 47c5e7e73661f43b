"""Rules on text, headers and JSON: what holds, what does not, and what is said of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.expect import HeaderRule, JsonRule, TextRules, header_problems, json_problems, pattern, pattern_problems
from probes.http.options import Expect
from probes.reason import Reason
from tests.probes.look import look
from tests.probes.wire import answering

DOCUMENT = {
    "status": "ok",
    "count": 7,
    "share": 0.5,
    "on": True,
    "off": False,
    "nothing": None,
    "list": ["a", "b"],
    "deep": [{"id": 1, "state": "up"}, {"id": 2, "state": "down"}],
    "first": "Ann",
    "last": "Bea",
}


@pytest.mark.parametrize(
    ("path", "wanted", "holds"),
    [
        ("status", "ok", True),
        ("status", "== ok", True),
        ("status", "!= ok", False),
        ("status", "!= down", True),
        ("status", "~ ^o", True),
        ("status", "~ ^k", False),
        ("count", 7, True),
        ("count", "7", False),
        ("count", "== 7", True),
        ("count", '== "7"', False),
        ("count", 7.0, True),
        ("count", "> 6", True),
        ("count", ">6.5", True),
        ("count", "> 7", False),
        ("count", ">= 7", True),
        ("count", "< 7", False),
        ("count", "<= 7", True),
        ("count", "~ 7", False),
        ("share", "< 1", True),
        ("on", True, True),
        ("on", 1, False),
        ("on", "true", False),
        ("on", "== true", True),
        ("off", False, True),
        ("off", 0, False),
        ("off", "< 1", False),
        ("nothing", None, True),
        ("nothing", "!= x", False),
        ("missing", "ok", False),
        ("missing", "!= ok", False),
        ("missing.deeper[3]", "ok", False),
        ("list", "a", False),
        ("list[1]", "b", True),
        ("length(list)", 2, True),
        ("length(count)", 2, False),
        ("deep[?id==`2`].state | [0]", "down", True),
        ("contains(list, 'b')", True, True),
        ("first == last", True, False),
        ("status", "> 5", False),
        ("status", "== > 5", False),
    ],
)
def test_json_rules(path, wanted, holds):
    """A rule holds where value and type agree; a missing path never holds, whatever is compared."""
    problem = JsonRule.parse(path, wanted).problem(DOCUMENT)
    assert (problem is None) is holds
    if problem:
        assert path in problem


@pytest.mark.case("J33")
@pytest.mark.parametrize(
    ("path", "wanted", "said"),
    [
        ("status", "up", 'status: wanted "up", found "ok"'),
        ("count", "> 10", "count: wanted > 10, found 7"),
        ("status", "~ ^up$", 'status: wanted ~ ^up$, found "ok"'),
        ("missing", True, "missing: wanted true, found nothing"),
        ("[first, last]", "x", '[first, last]: wanted "x", found ["Ann","Bea"]'),
    ],
)
def test_json_failures_show_both_values(path, wanted, said):
    """What was wanted and what was found stand side by side."""
    assert JsonRule.parse(path, wanted).problem(DOCUMENT) == said


def test_a_long_value_is_cut():
    """What was found is shown up to a limit, on one line, with a mark."""
    problem = JsonRule.parse("text", "x").problem({"text": "a\n\x1b" * 5000})
    assert len(problem) < 200
    assert problem.isprintable()
    assert problem.endswith("…")


@pytest.mark.case("J36")
@pytest.mark.parametrize(
    ("path", "wanted", "said"),
    [
        ("a..b", "x", "is not a JMESPath expression"),
        ("length(users", 100, "is not a JMESPath expression"),
        ("", "x", "is not a JMESPath expression"),
        ("nosuch(a", "x", "is not a JMESPath expression"),
        ("a", "> b", "compares with 'b', which is not a number; write > 5"),
        ("a", "<", "compares with '', which is not a number; write < 5"),
        ("a", "> = 5", "which is not a number"),
        ("a", "> true", "which is not a number"),
        ("a", "==", "compares with nothing"),
        ("a", "~ (", "is not a regular expression"),
    ],
)
def test_json_rules_are_refused_at_load(path, wanted, said):
    """What cannot be evaluated is refused before anything starts, and named."""
    problems = list(json_problems("json", {path: wanted}))
    assert [key for key, _ in problems] == [f"json.{path}"]
    assert said in problems[0][1]


@pytest.mark.case("J37")
def test_an_unbalanced_expression_is_refused():
    """An expression with a bracket missing is an error, not a condition that is never true."""
    assert list(json_problems("json", {"length(users.name": "== 100"}))


@given(
    st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5), st.lists, max_leaves=8)
)
def test_any_document_can_be_judged(document):
    """No document makes a rule raise."""
    for path, wanted in (("[0]", "x"), ("@", 1), ("length(@)", "> 1"), ("@.a", None), ("@", "~ x")):
        JsonRule.parse(path, wanted).problem(document)


OK = {"foo": {"bar": "baz"}}


@pytest.mark.parametrize(
    ("body", "rules", "passed"),
    [
        pytest.param(json.dumps(OK), {"foo.bar": "!= qux"}, True, marks=pytest.mark.case("J02"), id="J02"),
        pytest.param("{}", {"foo.bar": "!= qux"}, False, marks=pytest.mark.case("J03"), id="J03"),
        pytest.param("hello world", {"foo.bar": "!= qux"}, False, marks=pytest.mark.case("J05"), id="J05-text"),
        pytest.param("", {"foo.bar": "!= qux"}, False, marks=pytest.mark.case("J05"), id="J05-empty"),
        pytest.param("\N{HEAVY BLACK HEART}", {"a": "!= b"}, False, marks=pytest.mark.case("J05"), id="J05-emoji"),
        pytest.param(json.dumps(OK), {"foo.bar": "baz"}, True, marks=pytest.mark.case("J10"), id="J10-match"),
        pytest.param(json.dumps(OK), {"foo.bar": "qux"}, False, marks=pytest.mark.case("J10"), id="J10-no-match"),
        pytest.param('"baz"', {"@": "baz"}, True, marks=pytest.mark.case("J12"), id="J12-string"),
        pytest.param("[1, 2]", {"contains(@, `2`)": True}, True, marks=pytest.mark.case("J12"), id="J12-list"),
        pytest.param("true", {"@": True}, True, marks=pytest.mark.case("J12"), id="J12-boolean"),
        pytest.param(json.dumps(OK), {"foo": True}, False, marks=pytest.mark.case("J13"), id="J13-not-boolean"),
        pytest.param("{'a': 1}", {"a": 1}, False, marks=pytest.mark.case("J13"), id="J13-not-json"),
        pytest.param("\ufeff{}", {"@": "!= x"}, True, id="byte-order-mark"),
        pytest.param("[" * 100_000, {"@": "x"}, False, id="deep"),
        pytest.param('{"a": NaN}', {"a": 1}, False, id="nan"),
        pytest.param(json.dumps(OK), {"foo.bar": "baz", "foo.x": 1}, False, id="all-must-hold"),
    ],
)
async def test_json_of_an_answer(body, rules, passed):
    """The rules are applied to what the server sent; what is not JSON never passes."""
    found = await look(answering(body=body.encode()), expect=Expect(json=rules))
    assert found.passed is passed
    if not passed:
        assert found.reason is Reason.ASSERTION


@pytest.mark.case("J34")
async def test_a_page_instead_of_json():
    """A page of HTML where JSON was wanted is shown up to a mark."""
    found = await look(answering(body=b"<html>" + b"<p>sorry</p>" * 100), expect=Expect(json={"a": 1}))
    assert found.detail.startswith("the body is not JSON: '<html><p>sorry")
    assert found.detail.endswith("…'")
    assert len(found.detail) < 160


def test_patterns_say_where_they_are_wrong():
    """A bad pattern is refused with the place of the fault."""
    with pytest.raises(ValueError, match=r"unterminated character set at character 2 of ':\['"):
        pattern(":[")


@pytest.mark.case("X04")
@pytest.mark.parametrize("where", ["headers", "not_headers", "body", "not_body", "json"])
def test_bad_patterns_everywhere(where):
    """A bad pattern is found wherever one can stand, with the key that holds it."""
    value = {"X": ":["} if "headers" in where else {"a": "~ :["} if where == "json" else ("fine", ":[")
    problems = list(Expect(**{where: value}).problems())
    assert len(problems) == 1
    assert problems[0][0].startswith(where)
    assert "is not a regular expression" in problems[0][1]


@pytest.mark.case("V04")
def test_a_header_rule_needs_a_name():
    """A rule for a header without a name is refused."""
    assert list(header_problems("headers", {" ": "x"}))
    assert list(header_problems("headers", {"X": HeaderRule(match="(")}))
    assert not list(header_problems("headers", {"X": HeaderRule(match="x"), "Y": ("a", "b")}))


@pytest.mark.case("J31")
@pytest.mark.parametrize("rule", ["~ .*", "~ ^living", "~ _", "~ vin.*om.*2", "~ ^livingroom_123$", "livingroom_123"])
def test_patterns_that_match(rule):
    """Patterns are found anywhere, unless they are anchored."""
    assert JsonRule.parse("room", rule).problem({"room": "livingroom_123"}) is None


@pytest.mark.case("J32")
@pytest.mark.parametrize("rule", ["livingroom", "livingroom123", "~ what", r"~ \.", "~ room123"])
def test_patterns_that_do_not_match(rule):
    """Without a `~` the whole text counts."""
    assert JsonRule.parse("room", rule).problem({"room": "livingroom_123"}) is not None


def test_unwanted_text_comes_first():
    """Of two broken rules the one about what must not be is told."""
    rules = TextRules.parse("good", "bad")
    assert rules
    assert not TextRules.parse((), ())
    assert rules.problem("the banner", "bad") == "the banner matches 'bad', and must not: 'bad'"
    assert rules.problem("the banner", "so so") == "the banner does not match 'good': 'so so'"
    assert rules.problem("the banner", "good") is None


def test_problems_take_one_text_or_several():
    """One pattern and a list of them are checked alike."""
    assert len(list(pattern_problems("body", "("))) == 1
    assert len(list(pattern_problems("body", ("(", "a", "[")))) == 2
