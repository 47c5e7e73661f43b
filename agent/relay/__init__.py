"""Carries what was accepted to every destination, and accounts for each span."""
