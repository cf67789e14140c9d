"""Will own credentials as ciphertext that no code path can decrypt. Nothing is built yet: its routes answer 501."""
