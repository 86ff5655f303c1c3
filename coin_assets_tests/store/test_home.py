"""Opening an installation's folder: it is created, bound to one market, and fit for its names.

A name in it belongs to one symbol for as long as there is data under it.

Every refusal is a `ConfigurationError` that names the variable, what is wrong and the remedy, and
leaves nothing behind.
"""

from pathlib import Path

import pytest

from coin_assets.errors import ConfigurationError
from coin_assets.store.home import open_home


def refusal_of(home: Path, market: str = "sandbox", *symbols: str, needs_case: bool = False) -> str:
    with pytest.raises(ConfigurationError) as caught:
        open_home(home, market, symbols, needs_case=needs_case)
    return str(caught.value)


def visible_names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name != ".lock"}


def folded(path: Path) -> Path | None:
    """The existing path that a case-insensitive disk would find under this name."""
    if not path.parent.is_dir():
        return None
    names = {other.name.lower(): other for other in path.parent.iterdir()}
    return names.get(path.name.lower())


@pytest.fixture
def case_insensitive_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda path: folded(path) is not None)


def test_a_new_home_is_created_with_its_parents_and_remembers_its_market(tmp_path: Path) -> None:
    home = tmp_path / "a" / "b"
    open_home(home, "sandbox", needs_case=False)
    assert visible_names(home) == {"market.json"}
    assert (home / "market.json").read_text() == '{"market": "sandbox"}\n'


def test_the_same_market_opens_its_home_again_and_again(tmp_path: Path) -> None:
    for _ in range(3):
        open_home(tmp_path, "archive:/data/candles", needs_case=True)
    assert visible_names(tmp_path) == {"market.json"}


def test_a_folder_with_other_files_can_become_a_home(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    open_home(tmp_path, "sandbox", needs_case=False)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("recorded", "offered"),
    [("sandbox", "ccxt:binance"), ("ccxt:binance", "ccxt:kraken"), ("archive:/a", "archive:/b")],
)
def test_another_market_is_refused_naming_both_and_the_remedy(
    tmp_path: Path, recorded: str, offered: str
) -> None:
    open_home(tmp_path, recorded, needs_case=False)
    message = refusal_of(tmp_path, offered)
    assert message.startswith(f"COIN_MARKET: {offered!r}")
    assert repr(recorded) in message
    assert f"set COIN_MARKET={recorded}" in message
    assert "another COIN_HOME" in message
    open_home(tmp_path, recorded, needs_case=False)  # the refusal changed nothing


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "null", '"sandbox"'])
def test_a_home_that_does_not_tell_its_market_is_refused_not_claimed(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "market.json").write_text(content)
    message = refusal_of(tmp_path)
    assert message.startswith("COIN_HOME: ")
    assert str(tmp_path / "market.json") in message
    assert "restore it" in message
    assert (tmp_path / "market.json").read_text() == content


@pytest.mark.parametrize("below", ["file", "file/home", "file/a/b"])
def test_a_home_at_or_below_a_file_is_refused(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("")
    message = refusal_of(tmp_path / below)
    assert message.startswith(f"COIN_HOME: {str(tmp_path / below)!r} cannot be written (")
    assert "choose a folder that this user may write" in message


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc")
@pytest.mark.parametrize("home", [Path("/proc/home"), Path("/proc/self/home")])
def test_a_home_where_nobody_may_write_is_refused(home: Path) -> None:
    assert refusal_of(home).startswith(f"COIN_HOME: {str(home)!r} cannot be written (")


@pytest.mark.usefixtures("case_insensitive_disk")
def test_a_disk_that_folds_case_is_refused_when_names_differ_in_case_only(tmp_path: Path) -> None:
    message = refusal_of(tmp_path, needs_case=True)
    assert message.startswith(f"COIN_HOME: {str(tmp_path)!r}")
    assert "ignores case, so 1m and 1M would be one" in message
    assert "another disk" in message
    assert visible_names(tmp_path) == set()


@pytest.mark.usefixtures("case_insensitive_disk")
def test_a_disk_that_folds_case_is_good_enough_for_other_names(tmp_path: Path) -> None:
    open_home(tmp_path, "sandbox", needs_case=False)
    assert visible_names(tmp_path) == {"market.json"}


def test_this_disk_can_hold_minutes_beside_months(tmp_path: Path) -> None:
    probe = tmp_path / "a"
    probe.touch()
    if (tmp_path / "A").exists():
        pytest.skip("this disk folds case")
    open_home(tmp_path, "sandbox", needs_case=True)
    assert visible_names(tmp_path) == {"a", "market.json"}


def test_a_name_belongs_to_the_symbol_whose_data_it_holds(tmp_path: Path) -> None:
    """Its own across restarts, pauses and other symbols; that of a later one of the same name."""
    open_home(tmp_path, "sandbox", ["币安人生/USDT", "BTC/USDT"], needs_case=False)
    (tmp_path / "candles/symbol=_____USDT").mkdir(parents=True)
    open_home(tmp_path, "sandbox", ["BTC/USDT"], needs_case=False)
    open_home(tmp_path, "sandbox", ["BTC/USDT", "币安人生/USDT"], needs_case=False)
    message = refusal_of(tmp_path, "sandbox", "BTC/USDT", "测试测试/USDT")
    assert message == (
        f"COIN_SYMBOLS: '测试测试/USDT' would share the folders symbol=_____USDT of "
        f"{str(tmp_path)!r} with '币安人生/USDT', whose data they hold; choose another COIN_HOME "
        "for '测试测试/USDT', or retire '币安人生/USDT' first (docs/operations/symbols.md)."
    )
    open_home(tmp_path, "sandbox", ["币安人生/USDT"], needs_case=False)  # it changed nothing


@pytest.mark.parametrize("content", ["测试测试/USDT\n", "", "\n", "\udcff"])
def test_a_name_without_data_is_free(tmp_path: Path, content: str) -> None:
    """As after a mistyped symbol, which the market does not have."""
    record = tmp_path / "names/symbol=_____USDT"
    record.parent.mkdir()
    record.write_bytes(content.encode(errors="surrogateescape"))
    open_home(tmp_path, "sandbox", ["币安人生/USDT"], needs_case=False)
    assert record.read_text() == "币安人生/USDT\n"


@pytest.mark.usefixtures("case_insensitive_disk")
def test_symbols_that_differ_in_case_only_are_refused_where_a_disk_folds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(folded(path) or path))
    for name in ("PEPE_USDC", "pepe_usdc"):  # a disk that folds case shows one folder to both
        (tmp_path / f"candles/symbol={name}").mkdir(parents=True)
    open_home(tmp_path, "sandbox", ["PEPE/USDC"], needs_case=False)
    message = refusal_of(tmp_path, "sandbox", "pepe/usdc")
    assert "'pepe/usdc' would share" in message
    assert "'PEPE/USDC'" in message
