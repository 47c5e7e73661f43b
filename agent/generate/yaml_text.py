"""Rules as YAML that a person can read: comments say why, expressions stand on lines of their own."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from textwrap import dedent, indent, wrap

WIDTH = 100


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as Prometheus has it. `record` and `alert`: exactly one; durations are Prometheus' (`5m`)."""

    expr: str
    record: str = ""
    alert: str = ""
    why: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    pending: str = ""  # `for`
    keep: str = ""  # `keep_firing_for`
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated in their order, every `interval` (empty: as often as all of Prometheus' groups)."""

    name: str
    rules: tuple[Rule, ...]
    interval: str = ""
    why: str = ""


def document(head: str, groups: Iterable[Group]) -> str:
    """A whole rule file."""
    lines = [*comment(head), "groups:"]
    for group in groups:
        lines += [*comment(group.why, "  "), f"  - name: {group.name}"]
        if group.interval:
            lines.append(f"    interval: {group.interval}")
        lines.append("    rules:")
        for rule in group.rules:
            lines += _rule(rule)
    return "\n".join(lines) + "\n"


def comment(text: str, margin: str = "") -> Iterator[str]:
    """Lines of a comment; an empty line of the text stays one."""
    for paragraph in dedent(text).strip("\n").split("\n\n") if text else ():
        # Lines that are set in stay as they are: commands to copy.
        kept = paragraph.startswith(" ")
        lines = paragraph.splitlines() if kept else wrap(" ".join(paragraph.split()), WIDTH - len(margin))
        yield from (f"{margin}# {line}" for line in lines)


def _rule(rule: Rule) -> Iterator[str]:
    yield from comment(rule.why, " " * 6)
    yield f"      - record: {rule.record}" if rule.record else f"      - alert: {rule.alert}"
    expr = dedent(rule.expr).strip("\n").rstrip()
    # YAML takes the margin from the first line; where that is set in deeper, it must be told.
    yield "        expr: |2-" if expr.startswith(" ") else "        expr: |-"
    yield indent(expr, " " * 10)
    if rule.pending:
        yield f"        for: {rule.pending}"
    if rule.keep:
        yield f"        keep_firing_for: {rule.keep}"
    for key, values in (("labels", rule.labels), ("annotations", rule.annotations)):
        if values:
            yield f"        {key}:"
            # A JSON string is a YAML string, whatever is in it.
            yield from (f"          {name}: {json.dumps(value)}" for name, value in values.items())
