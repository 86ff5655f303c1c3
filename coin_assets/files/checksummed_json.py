"""JSON files that vouch for themselves: each carries the digest of what else it says.

The digest finds damage and careless edits. It is no signature: whoever may write the file can
write another digest. Nothing that is loaded is ever executed.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from coin_assets.errors import CorruptArtefact

_DIGEST = "sha256"


def json_bytes(document: dict[str, Any]) -> bytes:
    """The one way that a document is written, so that equal ones are equal to the byte."""
    return (json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def with_checksum(document: dict[str, Any]) -> bytes:
    """``document`` with its digest, as the content of a file."""
    return json_bytes({**document, _DIGEST: _digest_of(document)})


def read_checksummed(path: Path, schema_version: int, remedy: str) -> dict[str, Any]:
    """The document that was `sealed` into a file, without the digest.

    Args:
        schema_version: what its ``schema_version`` has to be.
        remedy: ends the message of the error.

    Raises:
        FileNotFoundError: there is no such file.
        CorruptArtefact: the file cannot be read, is not what was written, or has another schema.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise CorruptArtefact(f"{path} cannot be read ({error}). {remedy}") from error
    document = parsed(path, content, remedy)
    digest = document.pop(_DIGEST, None)
    found = document.get("schema_version")
    if found != schema_version:
        raise CorruptArtefact(
            f"{path} has schema version {found!r}; this release reads {schema_version}. {remedy}"
        )
    if digest != _digest_of(document):
        raise CorruptArtefact(f"{path} is not what was written. {remedy}")
    return document


def parsed(path: Path, content: bytes, remedy: str) -> dict[str, Any]:
    """The JSON object that is the content of a file.

    Raises:
        CorruptArtefact: it is none.
    """
    try:
        value: dict[str, Any] = dict(json.loads(content))
    except (RecursionError, TypeError, ValueError) as error:
        raise CorruptArtefact(f"{path} cannot be read ({error}). {remedy}") from error
    return value


def require_same(
    path: Path, document: dict[str, Any], expected: dict[str, Any], remedy: str
) -> None:
    """Refuse a document that belongs to something else than ``expected`` says.

    Raises:
        CorruptArtefact: naming the first member that differs.
    """
    for name, value in expected.items():
        if document.get(name) != value:
            raise CorruptArtefact(
                f"{path} belongs elsewhere: its {name} is {document.get(name)!r}, not {value!r}. "
                f"{remedy}"
            )


def _digest_of(document: dict[str, Any]) -> str:
    # Not `json_bytes`: NaN, which cannot be written, can be read from a damaged file.
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
