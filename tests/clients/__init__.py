"""Tests that drive the published clients against a running server."""
