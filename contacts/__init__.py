"""Owns contact rules for mail and phone (address book to come)."""
