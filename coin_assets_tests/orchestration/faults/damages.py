"""Faults of files: which files an installation has, and what can happen to each.

The damages are those of a bad disk (flipped bytes), of power loss on a file system that lost the
tail (truncated, empty), and of people who restore or copy (the file of another series or month, a
folder or a link in its place, copies beside it).
"""

import shutil
from collections.abc import Callable
from pathlib import Path

VICTIM, OTHER = ("symbol=ETH_USDT", "symbol=BTC_USDT")
_TIMEFRAME, _MONTH, _BEFORE = "timeframe=1h", "month=2024-02", "month=2024-01"


def _of_month(table: str, month: str) -> Callable[[Path], Path]:
    return lambda home: home / table / VICTIM / _TIMEFRAME / month / f"{table}.parquet"


def _newest_version(home: Path) -> Path:
    folders = (home / "models" / VICTIM / _TIMEFRAME).glob("*/metadata.json")
    return max(folders, key=lambda path: path.stat().st_mtime).parent


def _published(kind: str) -> Callable[[Path], Path]:
    return lambda home: home / "published" / f"{kind}_ETH_USDT_1h.json"


# kind -> the file of ETH/USDT 1h in a home
FILES: dict[str, Callable[[Path], Path]] = {
    "candles": _of_month("candles", _MONTH),
    "candles before": _of_month("candles", _BEFORE),
    "forecasts": _of_month("forecasts", _MONTH),
    "ledger": lambda home: home / "ledger" / VICTIM / _TIMEFRAME / "ledger.json",
    "model": lambda home: _newest_version(home) / "model.json",
    "model metadata": lambda home: _newest_version(home) / "metadata.json",
    "roles": lambda home: home / "models" / VICTIM / _TIMEFRAME / "roles.json",
    "evaluation": lambda home: home / "evaluations" / VICTIM / _TIMEFRAME / "evaluation.json",
    "history": _published("history"),
    "prediction": _published("prediction"),
    "manifest": lambda home: home / "published" / "manifest.json",
    "heartbeat": lambda home: home / "alerts" / "heartbeat.json",
    "alerts": lambda home: home / "alerts" / "alerts.sqlite",
}
# Files of the whole installation; there is none of another series.
SHARED = {"manifest", "heartbeat", "alerts"}


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    for place in range(middle, min(middle + 64, len(content))):
        content[place] ^= 0x55
    path.write_bytes(content)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _other_series(path: Path) -> None:
    text = str(path).replace(VICTIM, OTHER).replace("ETH_USDT", "BTC_USDT")
    source = Path(text)
    if not source.exists():  # a model version of another time
        source = next(iter(sorted(source.parent.parent.glob(f"*/{source.name}"))))
    shutil.copy(source, path)


def _other_month(path: Path) -> None:
    other = _BEFORE if _MONTH in path.parts else _MONTH
    shutil.copy(path.parent.parent / other / path.name, path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("not a file")


def _loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def _neighbours(path: Path) -> None:
    """What a careless copy leaves beside a file and beside its folder."""
    shutil.copy(path, path.with_name(f"{path.name}.bak"))
    (path.parent / "month=2026-13").mkdir()
    path.parent.with_name(f"{path.parent.name}.bak").mkdir(exist_ok=True)
    (path.parent.parent / "month=2024-02 (copy)").mkdir(exist_ok=True)
    (path.parent / "loop").symlink_to("loop")


DAMAGES: dict[str, Callable[[Path], None]] = {
    "flip": _flip,
    "truncate": _truncate,
    "empty": _empty,
    "other series": _other_series,
    "other month": _other_month,
    "folder": _folder,
    "symlink loop": _loop,
    "neighbours": _neighbours,
}


def cells() -> list[tuple[str, str]]:
    """Each kind of file with each damage that it can have."""
    return [
        (kind, damage)
        for kind in FILES
        for damage in DAMAGES
        if not (damage == "other series" and kind in SHARED)
        # The installation has forecasts of one month only.
        and not (damage == "other month" and not kind.startswith("candles"))
    ]
