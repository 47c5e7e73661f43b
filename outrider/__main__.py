"""`outrider COMMAND`: finds the command, loads only what it needs, and turns every end into an exit code."""

import argparse
import difflib
import importlib
import os
import sys

from agent.cli import COMMANDS, CONFIG, OK, USAGE, Stop
from outrider import __version__


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit code (0 good, 1 verdict is bad, 64 usage, 69, 70, 75, 78)."""
    words = sys.argv[1:] if argv is None else argv
    if not words or words[0] in {"-h", "--help", "help"}:
        print(_help())  # noqa: T201
        return OK if words else USAGE
    name = "version" if words[0] in {"--version", "-V"} else words[0]
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, 1)
        hint = f"did you mean `outrider {close[0]}`?" if close else "`outrider help` lists the commands"
        return _say(f"there is no command {name!r}; {hint}", USAGE)
    return _run(name, words[1:])


def _run(name: str, words: list[str]) -> int:
    command = importlib.import_module(f"agent.cli.{name}")
    parser = argparse.ArgumentParser(f"outrider {name}", description=command.HELP)
    command.add_arguments(parser)
    try:
        args = parser.parse_args(words)
    except SystemExit as end:  # argparse says what is wrong and leaves with 2
        return USAGE if end.code else OK
    try:
        code: int = command.main(args)
    except Stop as stop:
        return _say(str(stop), stop.code)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output (head, less) has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    return code


def _say(text: str, code: int) -> int:
    # Problems of a file begin with its place, as an editor wants them.
    print(text if code == CONFIG else f"outrider: {text}", file=sys.stderr)  # noqa: T201
    return code


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {what}" for name, what in COMMANDS.items()]
    return "\n".join(
        [
            f"outrider {__version__}: rides beside one service and tells the truth about it",
            "",
            "usage: outrider COMMAND [options]    (outrider COMMAND --help tells more)",
            "",
            *lines,
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
