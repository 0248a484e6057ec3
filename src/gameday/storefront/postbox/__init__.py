"""The postbox: an SMTP sink that keeps every mail it accepts, with the part of Mailpit's API that we use.

It shows what really arrived: a mail that was sent twice is there twice.
"""
