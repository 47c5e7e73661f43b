"""OTLP in: takes telemetry from the service, checks it, and says honestly what became of it."""
