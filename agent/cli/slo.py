"""`outrider slo`: rules for Prometheus and Alertmanager; what each objective of a file means, and where it is wrong."""

import argparse
import json

from agent.cli import BAD, OK
from agent.cli.open import add_config

HELP = "Write the rules for Prometheus, or check and explain the objectives of a configuration."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do."""
    commands = parser.add_subparsers(dest="what", required=True, metavar="rules | check")
    rules = commands.add_parser("rules", help="one rule file for all services and objectives; needs no configuration")
    one = rules.add_mutually_exclusive_group()
    one.add_argument("--tests", action="store_true", help="the unit tests of those rules instead, for promtool")
    one.add_argument("--alertmanager", action="store_true", help="the route and inhibitions for Alertmanager instead")
    check = commands.add_parser("check", help="what each objective allows, when it calls, and what it cannot do")
    add_config(check)
    check.add_argument("--strict", action="store_true", help="exit 1 where there is anything to find fault with")
    check.add_argument("--json", action="store_true", help="as JSON")


def main(args: argparse.Namespace) -> int:
    """Print it. Exit codes: 0, 1 findings with --strict, 78 the configuration cannot be used."""
    return _check(args) if args.what == "check" else _rules(args)


def _rules(args: argparse.Namespace) -> int:
    if args.tests:
        from agent.generate.rule_tests import tests

        print(tests(), end="")
    elif args.alertmanager:
        from agent.generate.route import ROUTE

        print(ROUTE, end="")
    else:
        from agent.generate.rules import rules

        print(rules(), end="")
    return OK


def _check(args: argparse.Namespace) -> int:
    from agent.cli.open import open_plan
    from agent.slo import lint

    objectives = open_plan(args.config).plan.objectives
    rows = [(each, lint.explain(each), list(lint.findings(each))) for each in objectives]
    if args.json:
        shown = [
            {
                "name": each.name,
                "service": each.service,
                "objective": float(each.target),
                "window_seconds": each.window_seconds,
                "explanation": said,
                "findings": found,
            }
            for each, said, found in rows
        ]
        print(json.dumps({"objectives": shown}, indent=2))
    elif not rows:
        print("No objectives. `slo: 99.9%` in a probe makes one; `slos` has the long form.")
    else:
        for _, said, found in rows:
            print(f"{said}.")
            for line in found:
                print(f"  warning: {line}")
    return BAD if args.strict and any(found for *_, found in rows) else OK
