"""The words of an alert's state, as boards show them."""

from agent.generate.dashboard import BLUE, GREEN, GREY, ORANGE, RED

#: Values of outrider_alert_state.
ALERT_STATES = (
    (0, "inactive", GREEN),
    (1, "pending", ORANGE),
    (2, "firing", RED),
    (3, "suppressed", BLUE),
    (4, "stale", GREY),
)
