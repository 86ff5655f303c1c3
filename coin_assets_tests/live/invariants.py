"""What must hold in the end, whatever happened: store, published files and messages."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from coin_assets.domain.candles.gaps import find_gaps
from coin_assets.domain.publishing.documents import file_name, history_document, prediction_document
from coin_assets.domain.publishing.root import MANIFEST
from coin_assets.domain.series import Series
from coin_assets.market.sandbox import SandboxMarket
from coin_assets.store.base import Store
from coin_assets.store.forecasts import newest_forecast
from coin_assets_tests.live.receiver import Delivery


def require_true_candles(store: Store, series: Series, until: datetime) -> str:
    """No gap from the oldest stored candle to ``until``, and every one is the market's own.

    Returns:
        What was found, for the timeline.
    """
    extent = store.extent(series)
    assert extent is not None, f"{series}: no candle is stored"
    timeframe = series.timeframe
    end = timeframe.close_of(extent.last)
    assert end >= timeframe.floor(until), f"{series}: candles end {end}, not {until}"
    stored = store.read_candles(series, extent.first, end)
    gaps = find_gaps(stored["timestamp"], timeframe, extent.first, end)
    assert not gaps, f"{series}: gaps {[(each.start, each.end) for each in gaps]}"
    pages = SandboxMarket().pages(series, extent.first, end, end)
    true = pd.concat([page.candles for page in pages], ignore_index=True)
    pd.testing.assert_frame_equal(stored, true, check_exact=True)
    return f"{series}: {len(stored)} candles from {extent.first:%m-%d %H:%M} to {end:%m-%d %H:%M}"


def published_disagreements(store: Store, folder: Path, series_list: Iterable[Series]) -> list[str]:
    """Published files that are not what store and manifest say; empty if all agree.

    Files are compared by what they hold, apart from the time at which they were written.
    """
    manifest = json.loads((folder / MANIFEST).read_bytes())
    entries = {(each["symbol"], each["timeframe"]): each for each in manifest["public"]["entries"]}
    wrong = []
    for series in series_list:
        entry = entries.get((series.symbol, series.timeframe.name))
        if entry is None:
            wrong.append(f"{series} is not in the manifest")
            continue
        for kind in ("history", "prediction"):
            content = (folder / file_name(kind, series)).read_bytes()
            said = entry[kind] and entry[kind]["sha256"]
            if said != hashlib.sha256(content).hexdigest():
                wrong.append(f"{series}: the {kind} file is not the one that the manifest names")
            document = json.loads(content)
            if _without_time(document) != _without_time(_expected(store, series, kind, document)):
                wrong.append(
                    f"{series}: the {kind} file (as of {document['as_of']}) is not the store"
                )
    return wrong


def _expected(store: Store, series: Series, kind: str, document: dict[str, Any]) -> dict[str, Any]:
    extent = store.extent(series)
    assert extent is not None
    if kind == "prediction":
        return prediction_document(series, newest_forecast(store, series), extent.last)
    start = pd.Timestamp(document["data"][0]["timestamp"]).to_pydatetime()
    candles = store.read_candles(series, start, series.timeframe.close_of(extent.last))
    return history_document(series, candles, extent.last)


def _without_time(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "updated_at"}


def doubled_or_lost(channels: Mapping[str, Sequence[Delivery]]) -> list[str]:
    """Messages accepted more than once by a channel, or not by all of them."""
    wrong = []
    ids = {name: Counter(each.id for each in found) for name, found in channels.items()}
    for name, counts in ids.items():
        wrong += [f"{name} got {one} {count} times" for one, count in counts.items() if count > 1]
    everything = set().union(*ids.values())
    for name, counts in ids.items():
        wrong += [f"{name} never got {one}" for one in everything - set(counts)]
    return wrong


def told_wrongly(messages: Sequence[Delivery]) -> tuple[list[str], dict[str, str]]:
    """Follow what the messages say of each subject, in the order in which they were made.

    Returns:
        What does not fit (a second alert without a recovery, a recovery of what was never told),
        and the kind of what still stands, by subject.
    """
    wrong, status = [], dict[str, str]()
    in_order = sorted(messages, key=lambda each: str(each.body["created_at"]))
    for body in (each.body for each in in_order):
        for subject in body["subjects"]:
            kind = body["kind"]
            if (kind == "alert") == (subject in status):
                stands = status.get(subject, "nothing")
                wrong.append(f"{kind} of {subject} ({body['title']}) while {stands} stood")
            if kind == "recovery":
                status.pop(subject, None)
            else:
                status[subject] = str(body["title"])
    return wrong, status
