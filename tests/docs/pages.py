"""The pages, taken apart: code, tables, sections."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])

_FENCE = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^|\n\n)((?: {4}.*\n|\n(?= {4}))+)")
_SPAN = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A piece of code: its language ("" for an indented one) and its text."""

    language: str
    text: str


def name(page):
    """How a test calls a page."""
    return str(page.relative_to(ROOT))


def prose(page):
    """The page without fenced code."""
    return _FENCE.sub("", page.read_text())


def blocks(page):
    """Every block of code, fenced or indented."""
    found = [Block(*match) for match in _FENCE.findall(page.read_text())]
    indented = [re.sub(r"^ {4}", "", text, flags=re.MULTILINE) for text in _INDENTED.findall(prose(page))]
    return found + [Block("", text) for text in indented]


def code(page):
    """Every piece of code, spans in the text too."""
    return [block.text for block in blocks(page)] + _SPAN.findall(prose(page))


def section(page, heading):
    """The text from one heading to the next of the same rank or a higher one."""
    rank = len(heading) - len(heading.lstrip("#"))
    lines = prose(page).splitlines()
    start = lines.index(heading) + 1
    ends = (n for n, line in enumerate(lines[start:], start) if re.match(rf"#{{1,{rank}}} ", line))
    return "\n".join(lines[start : next(ends, len(lines))])


def tables(text):
    """Every table as a list of rows, the head first; a row is a list of cells."""
    found, rows = [], []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
            rows += [] if set(line) <= set("|-: ") else [cells]
        elif rows:
            found, rows = [*found, rows], []
    return found


def column(table, number=0):
    """What stands as code in one column, without the head."""
    return [span for row in table[1:] for span in _SPAN.findall(row[number])]


def anchors(page):
    """The fragments that GitHub makes of the headings."""
    heads = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
