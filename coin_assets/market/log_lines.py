"""Loggers of markets whose lines can be collected for one thread.

Dagster records lines of these loggers in the step that runs at that moment. A thread that fetches
for a later step collects its lines; that step replays them.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_COLLECTOR: ContextVar[Callable[[logging.LogRecord], None] | None] = ContextVar(
    "collector", default=None
)


def _is_kept(record: logging.LogRecord) -> bool:
    collect = _COLLECTOR.get()
    if collect is not None:
        collect(record)
    return collect is None


def market_logger(name: str) -> logging.Logger:
    """The logger of a module; `collected` applies to it."""
    logger = logging.getLogger(name)
    logger.addFilter(_is_kept)
    return logger


@contextmanager
def collected(collect: Callable[[logging.LogRecord], None]) -> Iterator[None]:
    """Within the block, lines of this thread go to ``collect`` instead of the log."""
    token = _COLLECTOR.set(collect)
    try:
        yield
    finally:
        _COLLECTOR.reset(token)


def replay(record: logging.LogRecord) -> None:
    """Write a collected line to the log."""
    logging.getLogger(record.name).handle(record)
