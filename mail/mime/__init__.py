"""RFC 5322 and MIME on plain bytes: reading hostile mail and writing correct mail.

Nothing here imports Django, opens a socket or reads a clock, except that
:func:`mail.mime.build.new_message_id` draws randomness.
"""
