"""The SMTP door: receives mail from the world for mailboxes of this server. It relays nothing."""
