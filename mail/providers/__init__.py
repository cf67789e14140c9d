"""Ways to get mail off this server: sandbox, smarthost, direct MX, and the providers that anymail knows."""
