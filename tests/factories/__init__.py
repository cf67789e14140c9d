"""Real rows for tests, made through the services wherever one exists."""
