"""`outrider alerts`: what fires; try a receiver; silence alerts of a running agent for a while."""

import argparse

from agent.cli import alerts_list, ask
from agent.cli.open import add_config

HELP = """Show what fires, and who was told; send a marked test alert and its end to one receiver; have a running agent
tell nobody of some alerts for a while. Exit 0: shown, taken, done; 1: not taken, refused; 64: unknown name, wrong use;
69: nobody answers."""

SECONDS = 30.0  #: for an agent that asks Alertmanager first


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do."""
    commands = parser.add_subparsers(dest="what", metavar="list | test | silence | silences | unsilence")
    alerts_list.add_arguments(commands.add_parser("list", help="what fires, as a running agent sees it (the default)"))
    parser.set_defaults(what="list", url="", config=None, timeout=2.0, json=False)
    test = commands.add_parser("test", help="send a marked test alert, and its end, to one receiver")
    test.add_argument("receiver", help="its name in `alerts.receivers`")
    add_config(test)
    silence = commands.add_parser("silence", help="tell nobody of the alerts that fit all matchers")
    matchers = "such as slo=orders, severity!=page, 'team=~pay.*'; before them the agent's URL, if it is elsewhere"
    silence.add_argument("matchers", nargs="+", metavar="MATCHER", help=matchers)
    silence.add_argument("--for", dest="length", required=True, metavar="DURATION", help="from 1m to 30d, such as 2h")
    silence.add_argument("--why", required=True, metavar="TEXT", help="for whoever wonders")
    ask.add_other_arguments(silence, "listen.admin", SECONDS)
    silences = commands.add_parser("silences", help="those that are not over")
    ask.add_arguments(silences, ask.ADMIN, "listen.admin", SECONDS)
    unsilence = commands.add_parser("unsilence", help="end one")
    unsilence.add_argument("id", help="as `silences` shows it")
    ask.add_arguments(unsilence, ask.ADMIN, "listen.admin", SECONDS)
    for command in (test, silence, silences, unsilence):
        command.add_argument("--json", action="store_true", help="as JSON")


def main(args: argparse.Namespace) -> int:
    """Exit codes: 0, 1, 64, 69 as above, 78 configuration."""
    if args.what == "list":
        return alerts_list.main(args)
    if args.what == "test":
        from agent.cli.try_receiver import try_receiver

        return try_receiver(args)
    from agent.cli import silences

    return {"silence": silences.silence, "silences": silences.show, "unsilence": silences.end}[args.what](args)
