"""Pure: spans that pass, made into request metrics, exceptions and events for objectives."""
