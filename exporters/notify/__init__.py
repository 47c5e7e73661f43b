"""Alerts out: each module is one kind of place, one call is one attempt."""
