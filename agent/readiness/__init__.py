"""Pure: may this replica get traffic, and why."""
