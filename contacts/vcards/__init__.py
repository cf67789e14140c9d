"""vCards (RFC 6350, RFC 2426, vCard 2.1) in and out. Pure: no database.

Lines are taken apart here and not by a library: those at hand match them with regular expressions that take exponential
time on a line such as `X;A,,,,,,,,,,,,,,,,,,,,,,,,"`.
"""
