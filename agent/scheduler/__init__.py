"""Own task per probe: when it is asked, with what deadline, and what becomes of the answer."""
