"""Owns the control plane of public tunnels (the edge comes later)."""
