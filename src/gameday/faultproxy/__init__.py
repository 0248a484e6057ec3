"""The fault proxy: passes TCP through, with whatever fault it is told to apply. Runs in a pod of its own.

`python -m gameday.faultproxy` stands between a Service and its endpoints, needs no
privilege, and imports nothing of the rest of this project: standard library alone.

Environment: `POD_IP` (the pod's address: all that is listened on when it is a loopback one, else
every address is), `ROUTES` (`8080=8080,1025=1025`: port to listen on = port of the upstream),
`UPSTREAM_HOST`, `CONTROL_PORT`, `CONTROL_TOKEN`.
"""
