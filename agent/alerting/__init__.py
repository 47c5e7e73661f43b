"""Pure: from conditions to alerts. When one starts and ends, who it is, whom it is for, what it says."""
