"""What a person writes, and how it is opened."""
