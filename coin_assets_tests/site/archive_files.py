"""The archive of a published folder for tests of the page: real Parquet files, and their list."""

import hashlib
from io import BytesIO

import pandas as pd

from coin_assets.domain.series import safe_name
from coin_assets_tests.site.documents import Document
from coin_assets_tests.site.folder import Folder


def archive(folder: Folder, *histories: Document) -> Document:
    """Archive the candles of history files by month, and list them; returns the list."""
    files = [each for history in histories for each in _months(folder, history)]
    index = {
        "version": 1,
        "generated_at": folder.manifest["generated_at"],
        "as_of": max(each["as_of"] for each in files),
        "files": sorted(files, key=lambda each: each["file"]),
    }
    folder.manifest["archive"] = folder.write("archive/index.json", index)
    return index


def _months(folder: Folder, history: Document) -> list[Document]:
    candles = pd.DataFrame(history["data"])
    candles["timestamp"] = pd.to_datetime(candles["timestamp"])
    symbol, timeframe, found = history["symbol"], history["timeframe"], []
    for month, rows in candles.groupby(candles["timestamp"].dt.strftime("%Y-%m")):
        place = f"symbol={safe_name(symbol)}/timeframe={timeframe}/month={month}"
        name, buffer = f"archive/candles/{place}/candles.parquet", BytesIO()
        rows.to_parquet(buffer, index=False)
        content = buffer.getvalue()
        (folder.path / name).parent.mkdir(parents=True, exist_ok=True)
        (folder.path / name).write_bytes(content)
        found.append(
            {
                "file": name,
                "kind": "candles",
                "symbol": symbol,
                "timeframe": timeframe,
                "month": month,
                "sha256": hashlib.sha256(content).hexdigest(),
                "bytes": len(content),
                "rows": len(rows),
                "as_of": history["as_of"],
                "source": "",
            }
        )
    return found
