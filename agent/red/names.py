"""A route out of a span's name, for spans without `http.route`: what names one thing out of many becomes `{}`."""

import re

from config.net.text import clean

LENGTH = 120  #: characters of a label
_READ = 256  # characters of a name that are looked at

_METHODS = "CONNECT|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT|QUERY|TRACE"
_METHOD = re.compile(rf"(?:HTTP )?(?:{_METHODS})(?: +|$)")
_BARE = re.compile(rf"HTTP|(?:HTTP )?(?:{_METHODS}|_OTHER)")
_RPC = re.compile(r"/?[A-Za-z_][\w$]*(?:\.[\w$]+)+/\w+")
# A word between slashes or spaces that is an identifier. Each alternative is linear, and begins only where a word does.
_IDENTIFIER = re.compile(
    r"""(?<![^/\s])(?:
        \d[\d.,:_-]*                                            # numbers, dates, addresses
      | 0x[0-9a-fA-F]+
      | [0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}
      | (?=[a-fA-F]*\d)[0-9a-fA-F]{8,}                          # hex, unless it is a word like "facade"
      | [A-Za-z]+[-_:.\#]\d{3,}                                 # order-12345
      | (?=[^/\s\d]*\d[^/\s\d]*\d)[^/\s]{20,}                   # long tokens with digits
      | [^/\s]{49,}
      | [^/\s@]+@[^/\s]+                                        # people
    )(?![^/\s])""",
    re.VERBOSE,
)


def label(text: str) -> str:
    """The text as a label value: nearly always as it is."""
    return text if len(text) <= LENGTH and text.isprintable() else clean(text, LENGTH)


def is_bare(name: str) -> bool:
    """Whether the name says nothing but the method, as that of a request which no route took."""
    return _BARE.fullmatch(name) is not None


def route_of(name: str) -> str:
    """`GET /orders/17?full=1` is `/orders/{}`; names of RPCs stay as they are."""
    text = name if len(name) <= _READ and name.isprintable() else clean(name, _READ)
    method = _METHOD.match(text)
    rest = (text[method.end() :] if method else text).strip()
    if not rest:
        return text or "_unnamed"
    if _RPC.fullmatch(rest):
        return label(rest)
    if "://" in rest:
        rest = "/" + rest.partition("://")[2].partition("/")[2]
    if rest.startswith("/"):
        rest = rest.partition("?")[0].partition("#")[0]
    return label(_IDENTIFIER.sub("{}", rest))
