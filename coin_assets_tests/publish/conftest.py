"""A publisher of an empty folder."""

from pathlib import Path

import pytest

from coin_assets.publish.publisher import Publisher
from coin_assets_tests.publish.test_publisher import publisher_of


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return publisher_of(tmp_path)
