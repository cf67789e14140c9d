"""Will own self-registration of agents, verification codes and the human claim.

Nothing is built yet: its routes answer 501.
"""
