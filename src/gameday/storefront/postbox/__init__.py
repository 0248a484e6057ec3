"""The postbox: an SMTP sink that keeps every mail it accepts, with the part of Mailpit's API that we use.

It shows what really arrived: a mail that was sent twice is there twice. When it is full it says so to whoever sends
(452), and drops nothing. Addresses at `bounce.test` are refused for good (550), those at `later.test` once (451), to
see what a mailer does then.
"""
