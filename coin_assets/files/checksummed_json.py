"""JSON files with an embedded checksum.

The checksum detects damage and edits by hand. It is no signature: anyone who can write the file can
write a matching checksum. Loading a file executes nothing.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from coin_assets.errors import CorruptArtefact

_DIGEST = "sha256"
# Of an error that the machine caused, for example too many open files.
MACHINE_REMEDY = "Check permissions, disk and memory first; the file may be intact."


def json_bytes(document: dict[str, Any]) -> bytes:
    """Serialise a document; equal documents give equal bytes.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    return (json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def with_checksum(document: dict[str, Any]) -> bytes:
    """Content of a file: ``document`` with its checksum."""
    return json_bytes({**document, _DIGEST: _digest_of(document)})


def read_checksummed(path: Path, schema_version: int, remedy: str) -> dict[str, Any]:
    """Document of a file written by `with_checksum`, without the checksum.

    Args:
        path: the file.
        schema_version: required value of its ``schema_version``.
        remedy: last sentence of the error message, if the content is at fault.

    Raises:
        FileNotFoundError: there is no such file.
        CorruptArtefact: the file cannot be read, its checksum differs, or it has another schema.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise CorruptArtefact(f"{path} cannot be read ({error}). {MACHINE_REMEDY}") from error
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
    """JSON object in the content of a file.

    Raises:
        CorruptArtefact: the content is not a JSON object.
    """
    try:
        value: dict[str, Any] = dict(json.loads(content))
    except (RecursionError, TypeError, ValueError) as error:
        raise CorruptArtefact(f"{path} cannot be read ({error}). {remedy}") from error
    return value


def require_same(
    path: Path, document: dict[str, Any], expected: dict[str, Any], remedy: str
) -> None:
    """Check that members of ``document`` have the ``expected`` values.

    Raises:
        CorruptArtefact: a member differs; the message names the first one.
    """
    for name, value in expected.items():
        if document.get(name) != value:
            raise CorruptArtefact(
                f"{path} belongs elsewhere: its {name} is {document.get(name)!r}, not {value!r}. "
                f"{remedy}"
            )


def _digest_of(document: dict[str, Any]) -> str:
    # Not `json_bytes`, which refuses NaN: a damaged file can contain it.
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
