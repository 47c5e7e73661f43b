"""The command line: one file per command. A command loads what it needs when it runs."""

#: Command -> what it is for, in the order a newcomer meets them.
COMMANDS = {
    "demo": "start real servers, three replicas of a sample service and Outrider beside each",
    "run": "run the agent",
    "check": "validate the configuration and explain it in sentences",
    "probe": "run one probe, or all, once and show what they found",
    "healthcheck": "ask a running agent whether it is live (for container health checks)",
    "drain": "tell a running agent to stop taking traffic (for preStop hooks)",
    "wait": "wait until an agent says ready (or live, started, one probe, one group)",
    "gate": "watch a deploy for a while: pass or fail, for scripts and CI",
    "exec": "run a command with the agent beside it, where there are no sidecars",
    "slo": "write rules for Prometheus and Alertmanager, or explain the objectives of a file",
    "queue": "show what waits in the state folder, and what upstreams refused for good",
    "alerts": "show what fires and who was told; try a receiver; silence alerts for a while",
    "dashboard": "write a dashboard for Grafana: one service, the fleet, or objectives",
    "version": "show the version",
}

# sysexits.h where it has a word for it
OK = 0  #: good, or stopped with nothing left
BAD = 1  #: the verdict is bad
USAGE = 64  #: wrong use, or an unknown name
UNREACHABLE = 69  #: no agent answers there
ESSENTIAL = 70  #: an essential task died
KEPT = 75  #: stopped, with spans kept on disk
CONFIG = 78  #: the configuration is wrong, or a port is in use


class Stop(Exception):  # noqa: N818 - ends the command; it is no fault of ours
    """Ends the command with one message for a person and an exit code."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code
