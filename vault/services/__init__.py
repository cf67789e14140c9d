"""Writes, one module a subject. Rows are locked in the order identity, vault, secret, access rule."""
