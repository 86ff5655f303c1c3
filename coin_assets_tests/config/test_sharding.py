"""``COIN_SHARDS`` and ``COIN_SHARD``: what is refused, and which symbols a process loads."""

import pytest

from coin_assets.config.settings import Settings
from coin_assets.domain.shards import ALONE, Shard
from coin_assets.errors import ConfigurationError

MANY = ",".join(f"C{number}/USDT" for number in range(200))


def test_without_shards_there_is_one() -> None:
    for settings in (Settings(), Settings(shards="1"), Settings(shards=1, shard="0")):
        assert settings.own_shard == ALONE
        assert settings.of_shard(0).own_shard == ALONE


@pytest.mark.parametrize("shards", ["0", "-1", "1.5", "many", ""])
def test_a_number_of_shards_is_a_positive_whole_number(shards: str) -> None:
    with pytest.raises(ConfigurationError, match=r"COIN_SHARDS: .* is not a whole number"):
        Settings(shards=shards)


def test_more_shards_than_symbols_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"COIN_SHARDS: of 50 shards, .* would have none"):
        Settings(shards="50")
    with pytest.raises(ConfigurationError, match=r"COIN_SHARDS: 101 are more than 100"):
        Settings(shards="101", symbols=MANY)
    assert Settings(shards="20", symbols=MANY).shards == 20


@pytest.mark.parametrize("shard", ["2", "7"])
def test_a_shard_that_there_is_not_is_refused(shard: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"COIN_SHARD: {shard} is not below COIN_SHARDS"):
        Settings(shards="2", shard=shard)
    with pytest.raises(ConfigurationError, match=rf"there is no shard {shard} of 2"):
        Settings(shards="2").of_shard(int(shard))


def test_a_process_of_several_shards_has_to_say_which(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(shards="2")
    with pytest.raises(ConfigurationError, match=r"COIN_SHARD: not set, but COIN_SHARDS=2\."):
        _ = settings.own_shard
    assert settings.of_shard(1).own_shard == Shard(1, 2)
    assert settings.shard is None
    monkeypatch.setenv("COIN_SHARDS", "2")
    monkeypatch.setenv("COIN_SHARD", "1")
    assert Settings().own_shard == Shard(1, 2)


def test_all_symbols_stay_known_to_every_process() -> None:
    settings = Settings(shards="3")
    assert settings.of_shard(2).symbols == settings.symbols
    assert settings.of_shard(2).series_list == settings.series_list
