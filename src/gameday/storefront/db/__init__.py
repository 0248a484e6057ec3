"""The database of the storefront: PostgreSQL, started the way the official image starts it.

Understands POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB and PGDATA as that image does, and three of our own:
INITDB_DIR (where the init scripts are), POD_IP (the only address it listens on) and DB_FSYNC.
"""
