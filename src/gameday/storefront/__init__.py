"""The sample storefront: one module a service, each started as ``python -m gameday.storefront.<service>``.

Nothing here imports the rest of gameday: the storefront is what gets attacked, and knows of no attack.
"""
