"""Will own phone numbers, texts, calls and transcripts. Nothing is built yet: its routes answer 501."""
