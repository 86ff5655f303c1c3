"""What ``make demo`` prints at its end: a table of the series, and the command of the web UI."""

import shlex
from collections.abc import Iterable, Sequence
from datetime import datetime

from coin_assets.config.settings import Settings
from coin_assets.config.written import secrets_given, written
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
                time_text(series.timeframe.close_of(extent.last)) if extent else "-",
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
            f"Look at it in the web UI: {_command(settings, 'make up')}",
        ]
    )


def _command(settings: Settings, command: str) -> str:
    """``command`` after the settings that were given, and a note on secrets among them."""
    texts = written(settings, always=("home", "history_start"))
    given = (f"{variable}={shlex.quote(text)}" for variable, text in texts.items())
    secrets = " and ".join(secrets_given(settings))
    return " ".join([*given, command]) + (f" ({secrets} must be set as well)" if secrets else "")


def _reasons(entries: Iterable[Document]) -> list[str]:
    """Reasons of missing candles, one line a gap, from the manifest."""
    lines = [
        f"{entry['symbol']} {entry['timeframe']}: {gap['candles']} candles from {gap['start']} on "
        f"are {gap['state']}: {gap['reason']}"
        for entry in entries
        for gap in entry["gap_reasons"]
    ]
    return ["Missing candles:", *lines, ""] if lines else []
