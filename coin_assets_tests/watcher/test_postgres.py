"""The watcher's look at a real PostgreSQL."""

import psycopg2  # type: ignore[import-untyped]
import pytest

from coin_assets.watcher.looks import DatabaseUnusable, require_postgres
from coin_assets_tests.deploy.postgres import DATABASE, USER, requires_postgres, running


@requires_postgres
@pytest.mark.slow  # test_watcher.py shows what a server does that is not there
def test_a_server_is_usable_with_its_tables_and_password_alone() -> None:
    with running() as server:
        given = {
            "host": "127.0.0.1",
            "port": str(server.port),
            "user": USER,
            "dbname": DATABASE,
            "password": server.password,
        }
        with pytest.raises(DatabaseUnusable, match='"event_logs" does not exist'):
            require_postgres(given)
        with psycopg2.connect(**given) as link:
            link.cursor().execute("CREATE TABLE event_logs (id INTEGER)")
        link.close()
        require_postgres(given)
        with pytest.raises(DatabaseUnusable, match="password authentication failed") as caught:
            require_postgres(given | {"password": "another"})
        assert "another" not in str(caught.value)
    with pytest.raises(DatabaseUnusable, match="refused"):
        require_postgres(given)
