"""How one expression speaks of all services: few metrics carry the service, but outrider_info of their target does."""

from agent.generate.dashboard import Query

OF_SERVICE = '* on (job, instance) group_left (service) outrider_info{service=~"$service"}'


def by_service(aggregate: str, metric: str) -> str:
    """One number per service."""
    return f"{aggregate} by (service) ({metric} {OF_SERVICE})"


def counted(metric: str, label: str) -> Query:
    """Increases of a counter in the step shown, by service and one label."""
    expr = f"sum by (service, {label}) (increase({metric}[$__rate_interval]) {OF_SERVICE}) > 0"
    return Query(expr, f"{{{{service}}}} {{{{{label}}}}}")
