"""Runs that are killed at chosen moments, and what is left of their faults: `python -m tests.bench.kills`.

A run talks to its cluster through a line of ours that sees each write to the API before the server does, and its answer
before the run does. SIGKILL of the runner and its experiment at such a moment hits what no clock would: between the
entry in the ledger and the act, between the act and its confirmation, in the middle of an undo.
"""
