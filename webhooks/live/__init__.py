"""Readers of the event log that stay, on the event loop of the web process: long-poll, stream, WebSocket."""
