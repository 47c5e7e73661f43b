"""Lengths of time as options of a command, in the words of the file."""

import argparse


def duration(text: str) -> float:
    """Seconds, for argparse; what is read is loaded only when such an option is given."""
    from config.types import Duration, Unfit

    try:
        return float(Duration.parse(text))
    except Unfit as unfit:
        raise argparse.ArgumentTypeError(f"{text!r} {unfit}") from None


def words(seconds: float) -> str:
    """Seconds as a person writes them: `12ms`, `4.2s`, `12s`, `2m`, `1m5s`, `1h`."""
    if 0 < seconds < 0.9995:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 9.95:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return "".join(f"{count}{unit}" for count, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if count)
