"""The parts of the file, one for each of its top-level keys."""
