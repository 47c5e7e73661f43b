"""Numbers as people read them."""

import math

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_SPANS = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))


def number(value: float, unit: str) -> str:
    """A value in base units with a fitting unit: `12 ms`, `1.5 GiB`, `42.1 %`, `1,234`."""
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "infinite"
    if unit == "seconds":
        return seconds(value)
    if unit == "bytes":
        return _bytes(value)
    if unit == "ratio":
        return f"{_three(value * 100)} %"
    return _three(value)


def seconds(value: float) -> str:
    """A duration: `0.42 ms`, `12 ms`, `1.5 s`, `2 min 5 s`, `3 h 4 min`, `2 d 1 h`."""
    sign, value = ("-" if value < 0 else ""), abs(value)
    if value == 0:
        return "0 s"
    if value < 0.9995:
        return f"{sign}{_three(value * 1000)} ms"
    if value < 59.95:
        return f"{sign}{_three(value)} s"
    large, name, small, rest = next(span for span in _SPANS if value >= span[0] or span[0] == 60)
    whole, left = divmod(round(value / small) * small, large)
    return f"{sign}{whole} {name} {left // small} {rest}" if left else f"{sign}{whole} {name}"


def _bytes(value: float) -> str:
    power = 0
    while abs(value) >= 999.5 and power < len(_BINARY) - 1:
        value, power = value / 1024, power + 1
    return f"{_three(value)} {_BINARY[power]}"


def _three(value: float) -> str:
    """Three significant digits, all of them for whole numbers, thousands apart."""
    if abs(value) >= 100 or value == round(value):
        return f"{round(value):,}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.1e}"
