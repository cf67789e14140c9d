"""Text out of attachments.

Files come from strangers, and their formats are made of compressed, nested, self-referencing parts. So PDF, Word and
Excel files are read in a process of their own (program.py) that has little memory, time and room to write, and no
secrets in its environment; the server only starts it and reads what it printed (sandbox.py).
"""
