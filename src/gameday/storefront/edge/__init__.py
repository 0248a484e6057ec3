"""The shop's edge: renders Envoy's configuration, error pages included, when a pod starts and when its pages change.

Envoy itself is the service; this package only writes the files that it reads, from templates in a ConfigMap and the
Service variables that Kubernetes sets. It talks to nobody.
"""
