"""The versioned JSON API of the admin listener."""
