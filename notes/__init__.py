"""Will own notes of agents and their grants. Nothing is built yet: its routes answer 501."""
