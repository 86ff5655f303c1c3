"""The resource that opens the sources of exogenous series."""

from typing import Any

import dagster as dg
from pydantic import PrivateAttr

from coin_assets.domain.forecasting.exogenous import ExogenousSource


class ExogenousResource(dg.ConfigurableResource):
    """Sources of exogenous series.

    Attributes:
        exchange: of the market, in ccxt.
    """

    exchange: str
    _clients: dict[str, Any] = PrivateAttr(default_factory=dict)

    def source(self, name: str) -> ExogenousSource:
        """The source of a series.

        Those of an exchange share a client, whose list of contracts is requested once a run.
        """
        from coin_assets.market.exogenous import exchange_of, open_source  # imports pandas and ccxt

        exchange = exchange_of(name, self.exchange)
        if exchange not in self._clients:
            self._clients[exchange] = self.client(exchange)
        return open_source(name, self._clients[exchange])

    def client(self, exchange: str) -> Any:
        """A new client of an exchange."""
        from coin_assets.market.exogenous import open_client

        return open_client(exchange)
