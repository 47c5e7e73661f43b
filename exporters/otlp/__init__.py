"""OTLP out: one attempt to deliver, and what became of it."""
