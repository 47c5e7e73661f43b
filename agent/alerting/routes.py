"""Whom an alert is for."""

from collections.abc import Iterable, Mapping

from config.sections.alerts import Route


def receivers_for(labels: Mapping[str, str], routes: Iterable[Route]) -> tuple[str, ...]:
    """The receivers of the first route that takes these labels, each once; none where no route does.

    A route takes an alert whose labels have all the values of its `match`; an absent label equals "". As in
    Alertmanager without `continue`, the routes after the first that matches are not asked.
    """
    for route in routes:
        if all(labels.get(name, "") == value for name, value in route.match.items()):
            return tuple(dict.fromkeys(route.to))
    return ()
