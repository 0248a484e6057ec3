"""The mailer: takes events from the outbox and sends the mails that they call for.

At least once: a mail's row and its SMTP dialogue share a transaction that commits after the sink's 250. A pod that
dies between the two sends that mail again; its Message-ID is the same, so that a reader can tell.
"""
