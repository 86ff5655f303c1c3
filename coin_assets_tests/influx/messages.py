"""Requests and answers, apart from how they travel."""

import json
from dataclasses import dataclass
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
    """

    method: str
    path: str
    query: dict[str, str]
    size: int = 0
    text: str = ""
    lines: int = 0
    status: int = 0
    gzipped: bool = False
    content_type: str = ""


@dataclass(frozen=True)
class Answer:
    status: int = 204
    body: bytes = b""
    content_type: str = ""
    code: str = ""
    retry_after: int | None = None


def json_answer(status: int, document: Any) -> Answer:
    return Answer(status, json.dumps(document).encode(), JSON)


def refused(code: str, message: str, retry_after: int | None = None) -> Answer:
    body = json.dumps({"code": code, "message": message}).encode()
    return Answer(STATUS[code], body, JSON, code, retry_after)


def failure(status: int, retry_after: int | None) -> Answer:
    """What a fault answers with."""
    code = CODE.get(status, "internal error")
    body = json.dumps({"code": code, "message": f"{code} (injected by a test)"}).encode()
    return Answer(status, body, JSON, code, retry_after)
