"""Pages of operators in Django admin: how the server and its organizations are doing, and what became of something."""
