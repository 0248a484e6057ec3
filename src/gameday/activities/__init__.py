"""What an experiment file names: faults (actions), probes and controls.

Activities know a kubeconfig and HTTP, never what kind of cluster it is. Faults live in
`pods`, `network`, `templates`; their rollback is `undo.revert_faults`; the guard in `guard`
decides what may be attacked.
"""
