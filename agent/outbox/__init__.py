"""Alerts on their way out: kept until they are taken, one receiver never in the way of another."""
