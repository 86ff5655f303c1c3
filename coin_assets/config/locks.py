"""The locks of a process, from the settings."""

from coin_assets.config.records import postgres_parameters
from coin_assets.config.settings import Settings
from coin_assets.files.locks import FileLocks, chosen_locks, use_locks
from coin_assets.files.postgres_locks import PostgresLocks


def choose_locks(settings: Settings) -> None:
    """Let this process lock as ``settings`` say; nothing is contacted yet."""
    if settings.locks == "files":
        use_locks(FileLocks())
        return
    parameters, known = postgres_parameters(), chosen_locks()
    if not (isinstance(known, PostgresLocks) and known.is_same(parameters, settings.home)):
        use_locks(PostgresLocks(parameters, settings.home))
