"""The mailer: takes events from the outbox and campaigns from its desk, and sends the mails that they call for.

Once, as far as SMTP lets one: a mail is claimed before it is handed over, and one whose answer was lost is looked for
where mail is received before it is sent again. See `book`.
"""
