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

#: Values of keys that are known.
VALUES = {
    "alerts.mode": frozenset({"auto", "fleet"}),
}

_KEYS = re.compile("|".join(re.escape(key).replace(r"\*", r"[^.]+") for key in KEYS))


def is_later_key(path: str) -> bool:
    """Whether this key is one that a later version brings."""
    return _KEYS.fullmatch(path) is not None


def is_later_value(path: str, text: str) -> bool:
    """Whether this value of a known key is one that a later version brings."""
    return text in VALUES.get(path, ())
