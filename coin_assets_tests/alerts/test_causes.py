"""Each cause that an alert can name is in the runbook's table of causes."""

from collections.abc import Iterator

import pytest

from coin_assets import errors
from coin_assets.errors import CoinAssetsError, CopyDiffers, TargetHasMore, TemporaryError
from coin_assets_tests.webui import ROOT

# Roots that nothing raises, and errors of the job copy_store, which no alert is about.
UNALERTED = {CoinAssetsError, TemporaryError, CopyDiffers, TargetHasMore}


def kinds(root: type[CoinAssetsError]) -> Iterator[type[CoinAssetsError]]:
    yield root
    for kind in root.__subclasses__():
        yield from kinds(kind)


NAMED = [
    kind
    for kind in dict.fromkeys(kinds(CoinAssetsError))
    if kind.__module__ == errors.__name__ and kind not in UNALERTED
]


@pytest.mark.parametrize(
    "cause",
    [
        *sorted({kind.alert_cause for kind in NAMED}),
        "a check blocked it",
        "a published file is damaged",
        "the run was killed",
        "unexpected ...",
    ],
)
def test_the_cause_is_in_the_table_of_stale_data(cause: str) -> None:
    rows = (ROOT / "docs/operations/stale.md").read_text().splitlines()
    named = {
        each.strip()
        for row in rows
        if row.startswith("   | ")
        for each in row.split("|")[1].split(",")
    }
    assert cause in named
