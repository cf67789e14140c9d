"""Owns mailboxes, threads, messages, SMTP ingress and outgoing mail."""
