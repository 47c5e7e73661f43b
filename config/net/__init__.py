"""The plumbing of connections that both middle rooms need: names, TLS, HTTP sessions, bounded inflating, back-off."""
