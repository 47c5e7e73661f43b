"""The state folder: one SQLite file, one lock, one thread that writes."""
