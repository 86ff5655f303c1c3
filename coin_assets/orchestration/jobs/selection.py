"""Selects the series of a job by the lists in its config."""

from coin_assets.errors import ConfigurationError
from coin_assets.orchestration.assets.specs import SeriesAssets


def chosen_specs(
    job: str, specs: tuple[SeriesAssets, ...], symbols: list[str], timeframes: list[str]
) -> list[SeriesAssets]:
    """Specs of these symbols and timeframes; an empty list is all.

    Raises:
        ConfigurationError: a symbol or timeframe is not configured.
    """
    known_symbols = list(dict.fromkeys(spec.series.symbol for spec in specs))
    known_timeframes = list(dict.fromkeys(spec.series.timeframe.name for spec in specs))
    for name, wanted, known in (
        ("symbols", symbols, known_symbols),
        ("timeframes", timeframes, known_timeframes),
    ):
        unknown = [value for value in wanted if value not in known]
        if unknown:
            raise ConfigurationError(
                f"{job} config: {name} {unknown} are not configured. Use some of {known}."
            )
    return [
        spec
        for spec in specs
        if spec.series.symbol in (symbols or known_symbols)
        and spec.series.timeframe.name in (timeframes or known_timeframes)
    ]
