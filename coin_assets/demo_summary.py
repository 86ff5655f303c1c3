"""What ``make demo`` prints at its end: a table of the series, and the command of the web UI."""

import shlex
from collections.abc import Iterable, Sequence
from datetime import datetime

from coin_assets.config.settings import Settings, variable_of
from coin_assets.domain.forecasting.frame import STEPS
from coin_assets.domain.json_format import Document, time_text
from coin_assets.domain.publishing.manifest_entries import HIDDEN
from coin_assets.domain.series_policy import SeriesPolicy
from coin_assets.orchestration.progress import text_table
from coin_assets.pipeline.context import Pipeline

_HEAD = ("symbol", "timeframe", "candles", "newest candle", "model", "forecast to", "status")


def demo_summary(settings: Settings, pipeline: Pipeline, policies: Sequence[SeriesPolicy]) -> str:
    """A table of the stored series, why candles are missing, and the command of the web UI."""
    try:
        manifest = pipeline.publisher.manifest()
    except FileNotFoundError:
        return "Nothing was published."
    public, ops = (
        {(entry["symbol"], entry["timeframe"]): entry for entry in manifest[part]["entries"]}
        for part in ("public", "ops")
    )
    rows = [_HEAD]
    for policy in policies:
        series = policy.series
        name = series.symbol, series.timeframe.name
        known = ops.get(name, {"champion": None, "visibility": HIDDEN})
        shown = public.get(name, {"prediction": None, "status": known["visibility"]})
        extent = pipeline.store.extent(series)
        horizon = "-"
        if shown["prediction"] is not None:
            origin = datetime.fromisoformat(shown["prediction"]["as_of"])
            horizon = time_text(series.timeframe.shift(origin, STEPS))
        rows.append(
            (
                *name,
                str(extent.rows if extent else 0),
                time_text(extent.last) if extent else "-",
                known["champion"] or "-",
                horizon,
                shown["status"],
            )
        )
    return "\n".join(
        [
            text_table(rows),
            "",
            *_reasons(ops.values()),
            f"Published files: {settings.publish_dir}",
            f"Look at it in the web UI: {_command(settings, 'make up')}{_also_needed(settings)}",
        ]
    )


def _command(settings: Settings, command: str) -> str:
    """``command`` after the settings that differ from the defaults."""
    words = {
        "store": settings.store,
        "influxdb_v2_url": settings.influxdb_v2_url,
        "influxdb_v2_org": settings.influxdb_v2_org,
        "influxdb_bucket": settings.influxdb_bucket,
        "market": settings.market,
        "symbols": ",".join(settings.symbols),
        "source_timeframes": ",".join(map(str, settings.source_timeframes)),
        "derived_timeframes": ",".join(map(str, settings.derived_timeframes)),
    }
    shown = {name: text for name, text in words.items() if name in settings.model_fields_set}
    shown |= {"home": str(settings.home), "history_start": f"{settings.history_start:%Y-%m-%d}"}
    set_first = (f"{variable_of(name)}={shlex.quote(text)}" for name, text in shown.items())
    return " ".join([*set_first, command])


def _also_needed(settings: Settings) -> str:
    """Note on secrets, which the command does not show."""
    return "" if settings.store == "parquet" else " (INFLUXDB_V2_TOKEN must be set as well)"


def _reasons(entries: Iterable[Document]) -> list[str]:
    """Reasons of missing candles, one line a gap, from the manifest."""
    lines = [
        f"{entry['symbol']} {entry['timeframe']}: {gap['candles']} candles from {gap['start']} on "
        f"are {gap['state']}: {gap['reason']}"
        for entry in entries
        for gap in entry["gap_reasons"]
    ]
    return ["Missing candles:", *lines, ""] if lines else []
