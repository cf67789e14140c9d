"""Will own pages for human owners; no models. Nothing is built yet: its routes answer 501."""
