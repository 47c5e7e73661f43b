"""What the file will know later: refused by name, so that nobody mistakes it for a typing error or for working."""

import re

#: Keys, by the path that leads to them; `*` is any name.
KEYS = (
    "access",
    "history",
    "defaults.addresses",
    "defaults.resolver",
    "probes.*.addresses",
    "probes.*.resolver",
)

_KEYS = re.compile("|".join(re.escape(key).replace(r"\*", r"[^.]+") for key in KEYS))


def is_later_key(path: str) -> bool:
    """Whether this key is one that a later version brings."""
    return _KEYS.fullmatch(path) is not None
