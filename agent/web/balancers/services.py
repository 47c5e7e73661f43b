"""The service names of grpc.health.v1, and which verdict each one stands for."""

from agent.readiness.rules import available
from agent.web.desk import Desk

GROUP = "group/"  #: before a group's name


def serving(desk: Desk, service: str) -> bool | None:
    """Whether `service` may be called; None where nothing has this name.

    "" and `readiness` are the replica's own verdict, as /readyz; `liveness` is /livez; any other name is a probe's, as
    /readyz/NAME, or a group's.
    """
    if service in {"", "readiness"}:
        return desk.verdict(frozenset()).ready
    if service == "liveness":
        return desk.live()
    if service.startswith(GROUP):
        group = desk.group(service.removeprefix(GROUP))
        return None if group is None else group.ready
    view = desk.views().get(service)
    return None if view is None else available(view)


def everything(desk: Desk) -> dict[str, bool]:
    """Every name there is."""
    ready = desk.verdict(frozenset()).ready
    found = {name: available(view) for name, view in desk.views().items()}
    found |= {f"{GROUP}{name}": group.ready for name, group in desk.groups().items()}
    return found | {"": ready, "readiness": ready, "liveness": desk.live()}
