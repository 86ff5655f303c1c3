"""Shared by the commands: errors in one line, and JSON for programs."""

import json
import os
import sys
from collections.abc import Callable, Sequence

from coin_assets.domain.json_format import Document
from coin_assets.errors import CoinAssetsError
from coin_assets.foreign_text import visible
from coin_assets.orchestration.progress import print_anything, text_table
from coin_assets.store.base import Finding


def finished(name: str, command: Callable[[], int]) -> int:
    """Exit code of ``command``; 2 after an error of the platform, which is printed.

    Args:
        name: what a person typed, for example ``make status``.
    """
    print_anything()
    try:
        return command()
    except CoinAssetsError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # as in make status | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def print_json(document: Document) -> None:
    """Print a document for programs."""
    print(json.dumps(document, indent=1))


def shortened(text: str, most: int) -> str:
    """``text`` in one line, cut to ``most`` characters; what cannot be seen is escaped."""
    line = visible(" ".join(text.split()))
    return line if len(line) <= most else f"{line[: most - 3]}..."


def print_findings(findings: Sequence[Finding]) -> int:
    """Print a line a finding; 0 if all are fine, 1 if one is not."""
    rows = [(each.about, "OK" if each.is_fine else "FAILED", each.detail) for each in findings]
    print(text_table([("what", "state", "detail"), *rows]))
    wrong = sum(not each.is_fine for each in findings)
    print(f"\n{len(findings)} looked at, {wrong} failed")
    return 1 if wrong else 0
