"""Shared by the commands: errors in one line, and JSON for programs."""

import json
import os
import sys
from collections.abc import Callable

from coin_assets.domain.json_format import Document
from coin_assets.errors import CoinAssetsError, visible
from coin_assets.orchestration.progress import print_anything


def finished(name: str, command: Callable[[], int]) -> int:
    """Exit code of ``command``; 2 after an error of the platform, which is printed."""
    print_anything()
    try:
        return command()
    except CoinAssetsError as error:
        print(f"make {name}: {error}", file=sys.stderr)
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
