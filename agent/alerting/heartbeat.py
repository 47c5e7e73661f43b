"""May this agent say that it watches? A heartbeat that comes all the same would hide what it is there to tell."""

EVALUATED_WITHIN = 10.0  #: seconds since the objectives were judged, which happens each second
WAITS_AT_MOST = 300.0  #: seconds that an alert may wait for its receiver
LAG_AT_MOST = 5.0  #: seconds that the agent's own loop may have stood still lately


def withheld(evaluated_ago: float | None, waits: float, lag: float) -> str:
    """Why no heartbeat may be sent now; "" where nothing speaks against it.

    `evaluated_ago`: None before the first time. `waits`: the alert that has waited longest for a receiver. All in
    seconds.
    """
    if evaluated_ago is None:
        return "objectives were never evaluated"
    if evaluated_ago > EVALUATED_WITHIN:
        return f"objectives were not evaluated for {evaluated_ago:.0f} s"
    if waits > WAITS_AT_MOST:
        return f"an alert has waited for its receiver for {waits:.0f} s"
    if lag > LAG_AT_MOST:
        return f"the agent stood still for {lag:.1f} s"
    return ""
