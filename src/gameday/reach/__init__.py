"""How this machine reaches what runs in a cluster: Services and pods, whatever way there is.

Everything that opens a connection to the shop asks here for an address. The ways, in the order in which
`auto` tries them:

1. a loopback address: a Service of an embedded cluster is reached directly;
2. `cluster`: the Services' own addresses, once the cluster's API has proven by its certificate that it answers
   at its own Service address from here;
3. `port-forward`: a listener on the loopback, each of whose connections goes through the API to a pod that is
   ready at that moment.

A URL given for the shop (`GAMEDAY_SHOP_URL`) and a NodePort (`GAMEDAY_REACH=nodeport`) are for the edge alone, and
only on request, or on a kind cluster of our own: nothing tells that what answers there is this cluster's, until a cart
has been found again.
"""

from gameday.reach.forward import on_trouble
from gameday.reach.ways import (
    WAYS,
    Endpoint,
    ReachError,
    described,
    is_certain,
    nodes_answer,
    pod_address,
    service_address,
    service_url,
    shop_url,
    way,
)

__all__ = [
    "WAYS",
    "Endpoint",
    "ReachError",
    "described",
    "is_certain",
    "nodes_answer",
    "on_trouble",
    "pod_address",
    "service_address",
    "service_url",
    "shop_url",
    "way",
]
