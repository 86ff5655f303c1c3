"""Requests and answers, apart from how they travel."""

import json
from dataclasses import dataclass, replace
from typing import Any

from coin_assets_tests.influx.refusal import CODE, STATUS

VERSION = "v2.7.12"
JSON = "application/json; charset=utf-8"


@dataclass
class Request:
    """A request, as it is kept for the tests; it holds no token.

    Attributes:
        query: the parameters of its address.
        size: bytes of its body as they were sent.
        text: Flux of a query, the document of a delete; empty for a write.
        lines: of a write.
        status: what it was answered with; 0 if with nothing.
        wants_gzip: whether the answer may be compressed.
    """

    method: str
    path: str
    query: dict[str, str]
    size: int = 0
    text: str = ""
    lines: int = 0
    status: int = 0
    gzipped: bool = False
    wants_gzip: bool = False
    content_type: str = ""


@dataclass(frozen=True)
class Answer:
    status: int = 204
    body: bytes = b""
    content_type: str = ""
    code: str = ""
    retry_after: int | None = None


def json_answer(status: int, document: Any, code: str = "") -> Answer:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return Answer(status, text.encode(), JSON, code)


def refused(code: str, message: str) -> Answer:
    return json_answer(STATUS[code], {"code": code, "message": message}, code)


def failure(status: int, retry_after: int | None) -> Answer:
    """What a fault answers with."""
    code = CODE.get(status, "internal error")
    answer = json_answer(status, {"code": code, "message": f"{code} (a test wants it)"}, code)
    return replace(answer, retry_after=retry_after)
