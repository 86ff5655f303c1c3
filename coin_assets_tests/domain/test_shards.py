"""Which shard owns a symbol: for ever the same, about as many each, and few that move."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from coin_assets.domain.shards import ALONE, Shard, shard_of

SYMBOLS = [f"COIN{number}/USDT" for number in range(2000)]
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
counts = st.integers(1, 20)


def test_owners_are_those_of_every_machine_and_release() -> None:
    # Other values would move published files of running installations.
    majors = ("BTC/USDT", "ETH/USDT", "XRP/USDT", "SOL/USDT", "DOGE/USDT", "币安人生/USDT")
    assert [shard_of(symbol, 3) for symbol in majors] == EXPECTED


EXPECTED = [2, 1, 0, 0, 0, 2]


@given(texts, counts)
def test_exactly_one_shard_owns_a_symbol(symbol: str, count: int) -> None:
    owners = [number for number in range(count) if Shard(number, count).owns(symbol)]
    assert owners == [shard_of(symbol, count)]
    assert ALONE.owns(symbol)


@given(texts, counts)
def test_a_new_shard_takes_symbols_and_moves_none_between_others(symbol: str, count: int) -> None:
    assert shard_of(symbol, count + 1) in (shard_of(symbol, count), count)


def test_shards_have_about_as_many_symbols_and_a_new_one_takes_its_part() -> None:
    for count in range(2, 12):
        even = len(SYMBOLS) / count
        sizes = Counter(shard_of(symbol, count) for symbol in SYMBOLS)
        deviation = 5 * (even * (1 - 1 / count)) ** 0.5  # of a fair draw
        assert all(abs(sizes[number] - even) < deviation for number in range(count))
        moved = sum(shard_of(each, count) != shard_of(each, count + 1) for each in SYMBOLS)
        assert abs(moved - len(SYMBOLS) / (count + 1)) < 5 * (len(SYMBOLS) / (count + 1)) ** 0.5


def test_names_of_shards() -> None:
    assert (ALONE.folder, Shard(1, 3).folder, str(Shard(1, 3))) == ("", "shard=1", "shard 1 of 3")
    assert [Shard(number, 2).is_first for number in range(2)] == [True, False]
