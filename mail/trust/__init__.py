"""Who sent a message really, and whether anybody wants it: SPF, DKIM, DMARC, ARC and spam scores. Pure, except DNS."""
