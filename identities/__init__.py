"""Owns organizations, people, API keys, agent identities, the handle namespace, signing keys and idempotency rows."""
