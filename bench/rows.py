"""A row of the table, and the table."""

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True)
class Row:
    """One measured line: `met` None where there is no gate, or nothing to compare with."""

    what: str
    ours: str
    peer: str = ""
    gate: str = ""
    goal: str = ""
    met: bool | None = None


def table(rows):
    """The rows as a Markdown table."""
    heads = ("what", "Outrider", "beside it", "gate", "goal", "gate met")
    cells = [(r.what, r.ours, r.peer, r.gate, r.goal, {None: "", True: "yes", False: "**no**"}[r.met]) for r in rows]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in cells)])
