"""Notes: texts that agents and people keep, and which agents may see each of them."""
