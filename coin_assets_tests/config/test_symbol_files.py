"""``COIN_SYMBOLS=@symbols.txt``: what a file of symbols may hold, and what its errors name."""

from pathlib import Path

import pytest

from coin_assets.config.settings import Settings
from coin_assets.errors import ConfigurationError


def symbols_of(folder: Path, content: bytes, value: str = "@symbols.txt") -> tuple[str, ...]:
    (folder / "symbols.txt").write_bytes(content)
    return Settings(symbols=value).symbols


def problems_of(folder: Path, content: bytes) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        symbols_of(folder, content)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"COIN_SYMBOLS: {folder / 'symbols.txt'}") for line in lines)
    return [line.partition("symbols.txt")[2] for line in lines]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"BTC/USDT\nETH/USDT\n", ("BTC/USDT", "ETH/USDT")),
        (b"# a\n\n  A/USDT # spot\n\t\nA/USDT:USDT\t# swap", ("A/USDT", "A/USDT:USDT")),
        (b"\xef\xbb\xbfBTC/USDT\r\n#ETH/USDT\r\n", ("BTC/USDT",)),
        (b"A#1/USDT\n", ("A#1/USDT",)),  # a comment begins after a blank
        ("币安人生/USDT\n".encode(), ("币安人生/USDT",)),
    ],
)
def test_one_symbol_a_line(folder: Path, content: bytes, expected: tuple[str, ...]) -> None:
    assert symbols_of(folder, content) == expected


def test_the_file_is_read_at_each_load(folder: Path) -> None:
    assert symbols_of(folder, b"BTC/USDT\n") == ("BTC/USDT",)
    assert symbols_of(folder, b"ETH/USDT\nBTC/USDT\n") == ("ETH/USDT", "BTC/USDT")
    assert symbols_of(folder, b"XRP/USDT\n", f" @{folder}/symbols.txt ") == ("XRP/USDT",)


@pytest.mark.parametrize("form", ["environment", "settings file"])
def test_the_environment_and_the_settings_file_can_name_it(
    form: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "symbols.txt").write_text("SOL/USDT\n")
    if form == "environment":
        monkeypatch.setenv("COIN_SYMBOLS", "@symbols.txt")
    else:
        (folder / "coin_assets.toml").write_text('COIN_SYMBOLS = "@symbols.txt"\n')
    assert Settings().symbols == ("SOL/USDT",)


def test_errors_name_file_and_line_and_all_of_them(folder: Path) -> None:
    content = b"BTC/USDT\nBTCUSDT\n# fine\nETH/USDT, XRP/USDT\nBTC/USDT\nA\xffB/USDT\n"
    found = problems_of(folder, content)
    assert [line.split(": ")[0] for line in found] == [f", line {n}" for n in (2, 4, 5, 6)]
    assert found[0] == (
        ", line 2: 'BTCUSDT' is not BASE/QUOTE; write it as in BTC/USDT or BTC/USDT:USDT, "
        "one symbol a line."
    )
    assert "is in line 1 too; write it once" in found[2]
    assert "bytes that are not UTF-8" in found[3]


def test_symbols_that_share_a_name_are_refused_with_the_file(folder: Path) -> None:
    (problem,) = problems_of(folder, "币安人生/USDT\n测试测试/USDT\n".encode())
    assert problem.startswith(": '币安人生/USDT' and '测试测试/USDT' would share the name")


@pytest.mark.parametrize("content", [b"", b"# none yet\n\n"])
def test_a_file_without_a_symbol_is_refused(folder: Path, content: bytes) -> None:
    (problem,) = problems_of(folder, content)
    assert problem == " names no symbol; write one a line, as in BTC/USDT."


def test_what_is_no_file_of_symbols_is_refused(folder: Path) -> None:
    for value in ("@absent.txt", "@", f"@{folder}", "@/dev/zero"):
        with pytest.raises(ConfigurationError, match=r"COIN_SYMBOLS: .* is no file; write @"):
            Settings(symbols=value)
    with pytest.raises(ConfigurationError, match="has more than 1 MB"):
        symbols_of(folder, b"A/USDT\n" * (1 << 18))
