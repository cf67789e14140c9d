"""The REST door of the vault."""
