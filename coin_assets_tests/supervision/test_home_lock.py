"""The lock of a home, and what other processes read from it."""

import os
from pathlib import Path

import pytest

from coin_assets.errors import ConfigurationError
from coin_assets.supervision.home_lock import address_of, hold, hold_shard, note_address


def test_a_home_that_nobody_serves_has_no_address(tmp_path: Path) -> None:
    assert address_of(tmp_path) is None
    os.close(hold(tmp_path))
    assert address_of(tmp_path) is None


def test_the_address_is_known_while_the_lock_is_held(tmp_path: Path) -> None:
    handle = hold(tmp_path)
    assert address_of(tmp_path) == ""
    note_address(handle, "http://127.0.0.1:3001")
    assert address_of(tmp_path) == "http://127.0.0.1:3001"
    with pytest.raises(ConfigurationError, match="another make up"):
        hold(tmp_path)
    assert address_of(tmp_path) == "http://127.0.0.1:3001"
    os.close(handle)
    assert address_of(tmp_path) is None
    again = hold(tmp_path)
    assert address_of(tmp_path) == ""  # not that of the one before
    os.close(again)


def test_code_servers_of_shards_serve_a_home_together_and_nothing_else_does(tmp_path: Path) -> None:
    first, second = hold_shard(tmp_path, 0), hold_shard(tmp_path, 1)
    assert address_of(tmp_path) == ""  # served, without a web UI
    with pytest.raises(ConfigurationError, match="another make up"):
        hold_shard(tmp_path, 1)
    with pytest.raises(ConfigurationError, match="another make up"):
        hold(tmp_path)
    for handle in second:
        os.close(handle)
    again = hold_shard(tmp_path, 1)
    for handle in (*first, *again):
        os.close(handle)
    assert address_of(tmp_path) is None
    whole = hold(tmp_path)
    with pytest.raises(ConfigurationError, match="another make up"):
        hold_shard(tmp_path, 0)
    os.close(whole)
