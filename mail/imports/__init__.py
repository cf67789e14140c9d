"""Reading mailbox archives: formats, limits and the states of a job. Pure modules: no framework, no database."""
