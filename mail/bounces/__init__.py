"""What other servers say about mail that was sent: what a refusal means, reports, and the return path they come to."""
