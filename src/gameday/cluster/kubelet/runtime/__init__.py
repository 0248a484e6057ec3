"""Processes: the one place of the cluster that starts any.

`zygote` is the warm parent, a program of its own; `client` is the daemon's end of it.
They talk over a Unix socket, one JSON message a packet.
"""
