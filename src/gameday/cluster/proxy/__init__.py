"""The Service proxy: connections to a Service's address go to one of its ready endpoints.

As kube-proxy with iptables: an endpoint is chosen at random for each connection; with none
ready, connecting is refused; a connection that is established outlives its endpoint's removal.
"""

from gameday.cluster.proxy.services import ServiceProxy

__all__ = ["ServiceProxy"]
