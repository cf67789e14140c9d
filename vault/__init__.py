"""Zero-knowledge vault: ciphertext, wrapped keys and access rules. Nothing here can decrypt, and nothing may."""
