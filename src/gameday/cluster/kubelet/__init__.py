"""The kubelet: runs the pods that the store holds, as processes of this machine.

It reads pods, ConfigMaps, Secrets and Services from the store and writes pod status and
events to it. Only `runtime` starts processes. Imported by the warm parent too, so this
module itself stays empty: `kubelet.agent` has the entry point.
"""
