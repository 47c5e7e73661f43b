"""What Outrider can look at: one file per kind of dependency."""
