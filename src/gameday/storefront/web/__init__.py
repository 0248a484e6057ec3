"""The shop's pages, made on the server from what the other services know.

What a page needs is asked for with a deadline. What it can do without (the day's deals) has a fallback: the home
page is then served without it, and says so in the header ``X-Fallback``.
"""
