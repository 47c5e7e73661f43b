"""Links lead somewhere."""

import re
from urllib.parse import unquote

import pytest

from tests.docs.pages import PAGES, anchors, name, prose

_LINK = re.compile(r"\]\(([^)\s]+)\)")
EACH = pytest.mark.parametrize("page", PAGES, ids=name)


@EACH
def test_relative_links_resolve(page):
    """A file that is linked exists, and so does the heading after the #."""
    for link in _LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, fragment = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if fragment:
            assert fragment in anchors(target), link


def test_every_user_page_is_there():
    """What the README promises is written."""
    wanted = {"configuration", "probes", "http", "metrics", "traces", "slo", "cli", "troubleshooting"}
    assert wanted <= {page.stem for page in PAGES}
