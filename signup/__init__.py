"""Agents sign themselves up; a human verifies, approves or rejects them (contract identities.md sections 14 and 15)."""
