"""Real servers that are killed at bad moments, and counts of what survived."""
