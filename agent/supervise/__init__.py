"""Two processes as one, for places without sidecars: the service, and the agent that must never harm it."""
