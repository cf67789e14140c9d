"""Owns the address book: contacts, who sees them, what is known of them, and contact rules for mail and phone."""
