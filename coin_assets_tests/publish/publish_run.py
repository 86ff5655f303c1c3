"""``python -m coin_assets_tests.publish.publish_run <folder>``: publishes three times."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.publishing.documents import file_name
from coin_assets.domain.publishing.manifest_entries import ManifestEntry
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.publish.json_files import json_bytes, published_file
from coin_assets.publish.publication import ManifestInputs, Publication
from coin_assets.publish.publisher import Publisher

HOUR = Timeframe.parse("1h")
SERIES = [Series("BTC/USDT", HOUR), Series("ETH/USDT", HOUR)]
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def main(folder: Path) -> None:
    limits = {"1h": FreshnessLimits(timedelta(hours=1), timedelta(hours=2))}
    publisher = Publisher(folder, folder.with_name("locks"), SERIES, limits)
    for number, series in enumerate((*SERIES, SERIES[0])):
        entry, files = ManifestEntry(series, enough_candles=True), dict[str, bytes | None]()
        for kind in ("history", "prediction"):
            name, document = file_name(kind, series), {"as_of": f"2026-11-22T0{number}:00:00Z"}
            content = files[name] = json_bytes(document | {"kind": kind, "of": series.symbol})
            entry = entry.with_files({kind: published_file(name, content, document)})
        inputs = ManifestInputs(NOW + number * timedelta(hours=1), lambda _series: True)
        publisher.publish(Publication(entry, files, 1, inputs.now), inputs)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
