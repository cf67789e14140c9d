"""REST routes of this app."""
