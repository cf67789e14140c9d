"""Full text search in mailboxes.

The words of a message are made here, in Python, and the database's index gets them ready-made: FTS5 in SQLite and a
tsvector with a GIN index in PostgreSQL hold the same words at the same positions, so both find the same messages.
"""
