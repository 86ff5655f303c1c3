"""What is wrong with the files of one series stays there: the others' status is as before.

Also: a file in the wrong place is recognised, faults of the machine are no damage and change no
file, and models that are gone are noticed.
"""

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from coin_assets.domain.candles.gap_ledger import Ledger
from coin_assets.domain.methods import CHAMPION
from coin_assets.errors import MachineFault
from coin_assets.files.checksummed_json import with_checksum
from coin_assets.pipeline.publish import quality
from coin_assets.planning.evaluations import QualityFacts
from coin_assets.publish.publication import publication_of
from coin_assets_tests.models.test_registry import facts as trained
from coin_assets_tests.models.test_registry import model
from coin_assets_tests.planning.artefacts import EVALUATIONS, FILES, MODELS, VERSION, Home
from coin_assets_tests.platform import files_of
from coin_assets_tests.publish.test_publisher import (
    AS_OF,
    BTC,
    ETH,
    NOW,
    candles,
    facts,
    forecast,
)

FILES_OF_STATUS = (FILES[1], *FILES[3:])  # roles and published files


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "file").touch()


def loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def with_member(text: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.write_bytes(path.read_bytes().replace(b"{", f"{{{text}, ".encode(), 1))

    return change


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "a list": lambda path: path.write_bytes(b"[1]"),
    "endless depth": lambda path: path.write_bytes(b'{"a":' * 100_000),
    "deep": lambda path: path.write_bytes(b'{"a":' * 200 + b"1" + b"}" * 200),
    "a duplicate": with_member('"symbol": "X", "symbol": "X"'),
    "NaN": with_member('"x": NaN'),
    "infinite": with_member('"x": 1e999'),
    "half a surrogate pair": with_member(r'"x": "\ud800"'),
    "other content": lambda path: path.write_bytes(with_checksum({"schema_version": 1})),
    "a folder": folder,
    "a loop of links": loop,
    "a pipe": pipe,
}


def told(home: Home, name: str) -> str:
    """What the reader of a damaged file says."""
    status = home.statuses()[BTC]
    if name.startswith("published"):
        assert status.published.corrupt is not None
        return status.published.corrupt
    if name.startswith(EVALUATIONS):
        assert home.qualities()[BTC] == QualityFacts()  # due again
        assert quality(home.evaluations, BTC) is None
        return "evaluation.json"
    if name.endswith("roles.json"):
        assert status.model_damage is not None
        return status.model_damage.message
    return "metadata.json"  # read when a model is loaded


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_of_one_series_leaves_the_other_as_it_was(
    home: Home, name: str, damage: str
) -> None:
    before, scored = home.statuses()[ETH], home.qualities()[ETH]
    DAMAGES[damage](home.file(name))
    assert Path(name).name.format("BTC_USDT") in told(home, name)
    assert home.statuses()[ETH] == before
    assert home.qualities()[ETH] == scored
    document = home.publisher.refresh(home.inputs)
    entries = (document or home.publisher.manifest())["public"]["entries"]
    words = {entry["symbol"]: entry["status"] for entry in entries}
    assert words == {
        "BTC/USDT": "corrupt" if name.startswith("published") else "fresh",
        "ETH/USDT": "fresh",
    }


@pytest.mark.parametrize("name", FILES[1:])
def test_a_whole_file_of_another_series_is_recognised(home: Home, name: str) -> None:
    before = home.statuses()[ETH]
    shutil.copy(home.file(name, ETH), home.file(name))
    said = told(home, name)
    if not name.startswith(EVALUATIONS):
        assert "belongs elsewhere: its symbol is 'ETH/USDT', not 'BTC/USDT'" in said
    assert str(home.path) not in home.statuses()[BTC].published.corrupt.__str__()
    assert home.statuses()[ETH] == before


STRAYS: dict[str, Callable[[Path], object]] = {
    "a backup": lambda models: shutil.copytree(models / VERSION, models / "v12.bak"),
    "an editor's copy": lambda models: shutil.copy(models / "roles.json", models / "roles.json~"),
    "letters after a number": lambda models: (models / "12abc_x").mkdir(),
    "digits of another script": lambda models: (models / "٠٠١٢_20261101T000000Z").mkdir(),
    "a number without end": lambda models: (models / f"{'9' * 200}_x").mkdir(),
}


@pytest.mark.parametrize("stray", STRAYS)
def test_stray_neighbours_change_nothing(home: Home, stray: str) -> None:
    before = home.statuses()
    STRAYS[stray](home.file(MODELS))
    assert home.statuses() == before
    assert home.registry.add(BTC, model(), AS_OF, trained()).number == 2


def file_for(models: Path) -> None:
    shutil.rmtree(models)
    models.touch()


def loop_for(models: Path) -> None:
    shutil.rmtree(models)
    models.symlink_to(models)


PLACES: dict[str, Callable[[Path], object]] = {
    "two folders of one number": lambda models: (models / "0001_20261002T000000Z").mkdir(),
    "a cutoff that is no time": lambda models: (models / "0002_20261399T000000Z").mkdir(),
    "a cutoff that no candle has": lambda models: (models / "0002_99991231T235959Z").mkdir(),
    "a file for the folder": file_for,
    "a loop for the folder": loop_for,
}


@pytest.mark.parametrize("place", PLACES)
def test_a_damaged_folder_of_models_is_of_its_series(home: Home, place: str) -> None:
    before = home.statuses()[ETH]
    PLACES[place](home.file(MODELS))
    damage = home.statuses()[BTC].model_damage
    assert damage is not None
    assert str(home.file(MODELS)) in damage.message
    assert home.statuses()[BTC].candles == AS_OF  # candles go on
    assert home.statuses()[ETH] == before


def test_models_that_are_gone_are_told_until_others_forecast(home: Home) -> None:
    before = home.statuses()[ETH]
    shutil.rmtree(home.file(MODELS))
    damage = home.statuses()[BTC].model_damage
    assert damage is not None
    assert f"{home.file(MODELS)} lacks version 1" in damage.message
    assert home.statuses()[BTC].why_corrupt(NOW) == damage.message
    assert home.statuses()[ETH] == before


def test_a_ledger_of_the_future_makes_its_series_corrupt(home: Home) -> None:
    home.store.update_ledger(BTC, lambda _: Ledger(listed=NOW + timedelta(hours=1)))
    status = home.statuses()
    assert "the gap ledger of BTC/USDT 1h records candles" in str(status[BTC].why_corrupt(NOW))
    assert status[BTC].why_corrupt(NOW + timedelta(hours=1)) is None
    assert status[ETH].why_corrupt(NOW) is None


def test_a_manifest_of_another_market_serves_nothing_until_published_again(home: Home) -> None:
    manifest = home.path / "published/manifest.json"
    document = json.loads(manifest.read_bytes())
    manifest.write_text(json.dumps(document | {"market": "ccxt:binance"}))
    for status in home.statuses().values():
        assert "its market is 'ccxt:binance', not 'sandbox'" in (status.file_damage or "")
    again = publication_of(facts(BTC), candles(BTC), forecast(version="1"), NOW)
    entries = home.publisher.publish(again, home.inputs)["public"]["entries"]
    assert [entry["status"] for entry in entries] == ["fresh", "corrupt"]


def test_a_manifest_of_an_earlier_release_is_read_and_names_its_market_from_then_on(
    home: Home,
) -> None:
    before, manifest = home.statuses(), home.path / "published/manifest.json"
    document = json.loads(manifest.read_bytes())
    del document["market"]
    manifest.write_text(json.dumps(document))
    assert home.statuses() == before
    assert (home.publisher.refresh(home.inputs) or {})["market"] == "sandbox"


def test_a_folder_in_the_way_of_one_publication_is_refused_before_the_others(home: Home) -> None:
    folder(home.file(FILES[3]))
    publication = publication_of(facts(BTC), candles(BTC), forecast(version="1"), NOW)
    with pytest.raises(Exception, match=r"history_BTC_USDT_1h.json is a folder.* Move what is"):
        home.publisher.require_free(publication)


@contextmanager
def refused(path: Path, number: int) -> Iterator[None]:
    """The tests run as root, to which the kernel refuses nothing, so reading fails as it would."""
    read = Path.read_bytes

    def failing(self: Path) -> bytes:
        if self == path:
            raise OSError(number, os.strerror(number), str(self))
        return read(self)

    path.touch()  # nothing in memory is of this file any more
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_bytes", failing)
        yield


OF_ONE_FILE = (errno.EACCES, errno.EIO)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        (name, number)
        for name in FILES
        for number in (errno.EMFILE, errno.EROFS, *OF_ONE_FILE)
        if number not in OF_ONE_FILE or name not in FILES_OF_STATUS  # the next test
    ],
)
def test_a_fault_of_the_machine_is_no_damage_and_changes_no_file(
    home: Home, name: str, number: int
) -> None:
    before = files_of(home.path)
    attempts: tuple[Callable[[], object], ...] = (home.statuses, home.qualities)
    if name == FILES[0]:
        attempts = (lambda: home.registry.load(home.registry.versions(BTC)[0]),)
    elif name.startswith(EVALUATIONS):
        attempts = (home.qualities, lambda: quality(home.evaluations, BTC))
    elif name.startswith("published"):
        attempts = (home.statuses, lambda: home.publisher.refresh(home.inputs))
    with refused(home.file(name), number):
        for attempt in attempts:
            with pytest.raises(MachineFault, match=errno.errorcode[number]):
                attempt()
    assert files_of(home.path) == before


@pytest.mark.parametrize("number", OF_ONE_FILE)
@pytest.mark.parametrize("name", FILES_OF_STATUS)
def test_a_file_that_the_machine_cannot_read_makes_one_series_unknown_not_corrupt(
    home: Home, name: str, number: int
) -> None:
    before, files = home.statuses(), files_of(home.path)
    with refused(home.file(name), number):
        status = home.statuses()
        (fault,) = status[BTC].faults
        assert home.publisher.refresh(home.inputs) is None  # the manifest stays as it was
    assert (fault.errno_name, fault.path) == (errno.errorcode[number], str(home.file(name)))
    assert "do not remove it" in str(fault)
    assert status[BTC].why_corrupt(NOW) is None
    assert status[BTC].published == before[BTC].published
    assert status[ETH] == before[ETH]
    assert status[ETH].faults == []
    assert home.statuses() == before
    assert files_of(home.path) == files


def test_the_machine_changes_nothing_about_a_series_that_is_hidden(home: Home) -> None:
    manifest, hidden = home.path / "published/manifest.json", "hidden_backfilling"
    document = json.loads(manifest.read_bytes())
    document["public"]["entries"] = document["public"]["entries"][1:]
    document["ops"]["entries"][0]["visibility"] = hidden
    manifest.write_text(json.dumps(document))
    with refused(home.file(FILES[3]), errno.EACCES):
        status = home.statuses()
    assert status[BTC].published.visibility == hidden
    assert status[BTC].file_damage is None
    assert [each.errno_name for each in status[BTC].faults] == ["EACCES"]
    assert status[ETH].faults == []


def test_a_full_disk_is_the_machines_fault_and_leaves_the_files(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files_of(home.path)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    document = home.evaluations.read(BTC)
    assert document is not None
    version = home.registry.versions(BTC)[0]
    again = publication_of(facts(BTC), candles(BTC), forecast(version="2"), NOW)
    attempts: tuple[Callable[[], object], ...] = (
        lambda: home.registry.add(BTC, model(), AS_OF, trained()),
        lambda: home.registry.appoint(
            BTC,
            CHAMPION,
            home.registry.add(BTC, model(), AS_OF, trained()),
            AS_OF,
            reason="",
            by="test",
            recorded_at=AS_OF,
        ),
        lambda: home.evaluations.write(BTC, document | {"paired": None}),
        lambda: home.publisher.publish(again, home.inputs),
    )
    for attempt in attempts:
        with pytest.raises(MachineFault, match="ENOSPC"):
            attempt()
    monkeypatch.undo()
    after = {name: text for name, text in files_of(home.path).items() if "/.partial/" not in name}
    assert after == before
    assert home.registry.versions(BTC) == [version]
