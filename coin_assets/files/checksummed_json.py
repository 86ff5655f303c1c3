"""JSON files with an embedded checksum.

The checksum detects damage and edits by hand. It is no signature: anyone who can write the file can
write a matching checksum. Loading a file executes nothing.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from coin_assets.errors import CorruptArtefact
from coin_assets.files.strict_json import content_of, document_of, shown

_DIGEST = "sha256"


def json_bytes(document: dict[str, Any]) -> bytes:
    """Serialise a document; equal documents give equal bytes.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    return (json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def with_checksum(document: dict[str, Any]) -> bytes:
    """Content of a file: ``document`` with its checksum."""
    return json_bytes({**document, _DIGEST: _digest_of(document)})


def read_checksummed(
    path: Path, schema_version: int, remedy: str, *, is_required: bool = True
) -> dict[str, Any]:
    """Document of a file written by `with_checksum`, without the checksum.

    Args:
        path: the file.
        schema_version: required value of its ``schema_version``.
        remedy: last sentence of the error message, if the content is at fault.
        is_required: False for files that earlier releases wrote without a checksum.

    Raises:
        FileNotFoundError: there is no such file.
        MachineFault: the machine failed; the file may be intact.
        CorruptArtefact: it is no JSON file, its checksum differs, or it has another schema.
    """
    document = parsed(path, content_of(path, remedy), remedy)
    is_present, digest = _DIGEST in document, document.pop(_DIGEST, None)
    found = document.get("schema_version")
    if not _is_same(found, schema_version):
        raise CorruptArtefact(
            f"{path} has schema version {shown(found)}; this release reads {schema_version}. "
            f"{remedy}"
        )
    if (is_present or is_required) and digest != _digest_of(document):
        raise CorruptArtefact(f"{path} is not what was written. {remedy}")
    return document


def parsed(path: Path, content: bytes, remedy: str) -> dict[str, Any]:
    """JSON object in the content of a file.

    Raises:
        CorruptArtefact: the content is not a JSON object; see `document_of`.
    """
    try:
        return document_of(content)
    except ValueError as error:
        raise CorruptArtefact(f"{path} cannot be read ({shown(error)}). {remedy}") from error


def require_same(
    path: Path, document: dict[str, Any], expected: dict[str, Any], remedy: str
) -> None:
    """Check that members of ``document`` have the ``expected`` values.

    Raises:
        CorruptArtefact: a member differs; the message names the first one.
    """
    for name, value in expected.items():
        if not _is_same(document.get(name), value):
            raise CorruptArtefact(
                f"{path} belongs elsewhere: its {name} is {shown(document.get(name))}, not "
                f"{shown(value)}. {remedy}"
            )


def _is_same(found: object, expected: object) -> bool:
    """Whether two JSON values are equal, and of one type: True is not 1."""
    return type(found) is type(expected) and found == expected


def _digest_of(document: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
