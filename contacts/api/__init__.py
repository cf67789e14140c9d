"""The REST door of contacts."""
