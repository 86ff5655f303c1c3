"""Any bytes in a stored or published document give a result, or one typed error of that series."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coin_assets.alerts import heartbeat
from coin_assets.domain.publishing.manifest import STATUSES, status_of
from coin_assets.errors import ConfigurationError, CorruptArtefact
from coin_assets.files.checksummed_json import with_checksum
from coin_assets.orchestration.checks.clock import clock_evaluations
from coin_assets.pipeline.publish import quality
from coin_assets_tests.orchestration.checks.statuses import spec_for
from coin_assets_tests.planning.artefacts import FILES, MODELS, VERSION, Home
from coin_assets_tests.publish.test_publisher import BTC, ETH, LIMITS, NOW
from coin_assets_tests.test_release_home import RELEASE_HOME

FUZZ = settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
MANIFEST, MODEL = "published/manifest.json", f"{MODELS}/{VERSION}/model.json"
# Values that are JSON and mean nothing here, or too much.
STRANGE: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        2**63,
        1e300,
        -0.0,
        "",
        "x" * 5000,
        "BTC/USDT",
        [],
        {},
        [[]],
        [0] * 5000,
        {"a": {"b": {}}},
        "2026-11-22T00:00:00",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
        "2190-01-01T00:00:00Z",
        "2026-11-22T00:00:00+00:00",
        "2026-11-31T00:00:00Z",
        "../../etc",
    ]
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all members of a JSON value."""
    members = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value[:3])
        if isinstance(value, list)
        else ()
    )
    return [path] * bool(path) + [
        found for name, each in members for found in places(each, (*path, name))
    ]


def mutated(data: st.DataObject, content: bytes) -> bytes:
    """Random bytes, flipped bytes, or valid JSON with one member of another value or gone."""
    kind = data.draw(st.sampled_from(["bytes", "flipped", "member", "member", "member"]))
    if kind == "bytes":
        return data.draw(st.binary(max_size=40))
    if kind == "flipped":
        at = data.draw(st.integers(0, len(content) - 1))
        return content[:at] + data.draw(st.binary(max_size=3)) + content[at + 1 :]
    document = json.loads(content)
    is_summed = document.pop("sha256", None) is not None
    *path, last = data.draw(st.sampled_from(places(document)))
    inner = document
    for name in path:
        inner = inner[name]
    if data.draw(st.booleans()) or isinstance(inner, list):
        inner[last] = data.draw(STRANGE)
    else:
        del inner[last]
    # With the right checksum, so that the content itself is judged.
    return with_checksum(document) if is_summed else json.dumps(document).encode()


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
@FUZZ
@given(data=st.data())
def test_a_document_of_any_content_stops_no_reader_and_no_other_series(
    filled: Path, name: str, data: st.DataObject
) -> None:
    home = Home(filled)
    path, manifest = home.file(name), home.file(MANIFEST)
    content, listed = path.read_bytes(), manifest.read_bytes()
    before, scored = home.statuses()[ETH], home.qualities()[ETH]
    changed = mutated(data, content)
    if name == MANIFEST:  # of the entries of the other series nothing is changed
        changed = with_entries_of_eth(changed, listed)
    path.write_bytes(changed)
    try:
        statuses, qualities = home.statuses(), home.qualities()
        if name != MANIFEST or statuses[ETH].published.attempts == before.published.attempts:
            assert statuses[ETH] == before
        assert qualities[ETH] == scored
        assert status_of(statuses[BTC].published, LIMITS["1h"], NOW) in STATUSES
        assert clock_evaluations(spec_for(filled), statuses[BTC], NOW)
        quality(home.evaluations, BTC)
        home.publisher.refresh(home.inputs)
        assert set(home.publisher.manifest()) >= {"public", "ops"}
    finally:
        path.write_bytes(content)
        manifest.write_bytes(listed)


def with_entries_of_eth(changed: bytes, listed: bytes) -> bytes:
    try:
        document = json.loads(changed)
        for part in ("public", "ops"):
            document[part]["entries"][1] = json.loads(listed)[part]["entries"][1]
        return json.dumps(document).encode()
    except (LookupError, TypeError, ValueError):
        return changed


@pytest.mark.parametrize("name", [FILES[0], MODEL])
@FUZZ
@given(data=st.data())
def test_a_model_of_any_content_loads_or_is_corrupt(
    filled: Path, name: str, data: st.DataObject
) -> None:
    home = Home(filled)
    path, (version,) = home.file(name), home.registry.versions(BTC)
    content = path.read_bytes()
    path.write_bytes(mutated(data, content))
    try:
        home.registry.load(version)
        version.metadata()
        home.registry.find(BTC, version.cutoff, None)
    except CorruptArtefact as refusal:
        assert str(version.folder) in str(refusal)  # noqa: PT017 (loading is right, too)
        assert len(str(refusal)) < 2000  # noqa: PT017
    finally:
        path.write_bytes(content)


@FUZZ
@given(data=st.data())
def test_a_heartbeat_of_any_content_has_an_age_or_is_corrupt(
    tmp_path: Path, data: st.DataObject
) -> None:
    heartbeat.beat(tmp_path, NOW, {"cycle_seconds": 60.0})
    path = tmp_path / heartbeat.FILE
    path.write_bytes(mutated(data, path.read_bytes()))
    try:
        age = heartbeat.heartbeat_age(tmp_path, NOW)
        assert age is not None
        assert age >= -timedelta(minutes=1)
    except CorruptArtefact as refusal:
        assert str(path) in str(refusal)  # noqa: PT017 (an age is right, too)


@FUZZ
@given(data=st.data())
def test_make_status_prints_lines_or_one_error_for_a_manifest_of_any_content(
    tmp_path: Path, data: st.DataObject
) -> None:
    from coin_assets.commands.status import line_of, read_manifest
    from coin_assets.config.settings import Settings

    path = tmp_path / "manifest.json"
    path.write_bytes(mutated(data, (RELEASE_HOME / "published/manifest.json").read_bytes()))
    own = Settings(
        home=tmp_path, symbols="BTC/USDT", source_timeframes="4h", derived_timeframes="1d"
    )
    try:
        found = read_manifest(path, "sandbox")
    except ConfigurationError as refusal:
        assert str(path) in str(refusal)  # noqa: PT017 (lines are right, too)
    else:
        assert found is not None
        for series in own.series_list:
            assert line_of(found[1], series, own, NOW).cells(NOW)
