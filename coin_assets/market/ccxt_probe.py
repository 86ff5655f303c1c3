"""One request to an exchange, to learn within seconds whether it answers."""

from datetime import datetime
from queue import Empty, SimpleQueue
from threading import Thread

from coin_assets.domain.series import Series
from coin_assets.errors import MarketUnavailable
from coin_assets.market.base import PROBE_SECONDS
from coin_assets.market.ccxt_answers import failure_of
from coin_assets.market.ccxt_client import Client
from coin_assets.market.retrying import REMEDY, Interrupted


def probe(client: Client, series: Series, now: datetime) -> None:
    """Request the list of markets once.

    A thread waits for the answer, because looking up a name knows no timeout.

    Raises:
        MarketUnavailable: no proper answer came within `PROBE_SECONDS`.
        PermanentError: as `failure_of`.
    """
    import ccxt

    client.ccxt.timeout = int(PROBE_SECONDS * 1000)
    outcome: SimpleQueue[Exception | None] = SimpleQueue()

    def ask() -> None:
        try:
            if not client.load_markets(series.symbol):
                raise ccxt.BadResponse("it lists no markets")
        except Exception as error:  # noqa: BLE001 (the caller raises what it means)
            outcome.put(failure_of(error, client, series, now))
        else:
            outcome.put(None)

    Thread(target=ask, name="probe", daemon=True).start()
    try:
        failure = outcome.get(timeout=PROBE_SECONDS + 1)
    except Empty:
        if client.ccxt.last_json_response is not None:
            return  # it answers, and has a long list
        failure = Interrupted(f"no answer within {PROBE_SECONDS:g} s")
    if isinstance(failure, Interrupted):
        raise MarketUnavailable(f"{client.ccxt.id} does not answer ({failure}). {REMEDY}")
    if failure is not None:
        raise failure
