"""The page at `/`: what a person wants to know first, on one screen, without a script."""
