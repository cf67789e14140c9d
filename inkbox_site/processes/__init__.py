"""What `manage.py serve` runs: one module for each process role, and what they share."""
