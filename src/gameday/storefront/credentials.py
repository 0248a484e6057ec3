"""Where the database is, and who we are there."""

from dataclasses import dataclass

from psycopg.conninfo import make_conninfo

from gameday.storefront import settings


@dataclass(frozen=True)
class Credentials:
    """Where the database is and who we are there."""

    address: settings.Address
    user: str
    password: str
    name: str

    @classmethod
    def from_environment(cls) -> "Credentials":
        """DB_SERVICE_HOST and _PORT as Kubernetes sets them; DB_USER, DB_PASSWORD and DB_NAME from a Secret."""
        return cls(
            settings.peer("db"), settings.text("DB_USER"), settings.text("DB_PASSWORD"), settings.text("DB_NAME")
        )

    def conninfo(self, application: str, **more: str) -> str:
        """All of it as libpq wants it; `application` is what the server's own tables call us."""
        return make_conninfo(
            host=self.address.host,
            port=self.address.port,
            user=self.user,
            password=self.password,
            dbname=self.name,
            application_name=application,
            gssencmode="disable",
            sslmode="disable",
            **more,
        )
