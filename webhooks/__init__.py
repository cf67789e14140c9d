"""Owns the durable event log, webhook subscriptions, signed delivery and replay."""
