"""Where what Outrider knows goes: metrics, spans, alerts."""
