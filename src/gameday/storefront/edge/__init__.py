"""The shop's edge: renders Envoy's configuration, error pages included, when a pod starts.

Envoy itself is the service; this package only writes the file that it reads, from templates in a ConfigMap and the
Service variables that Kubernetes sets. It talks to nobody.
"""
