"""The routes of the HTTP interface: requests to calls of the database, and answers back."""

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from coin_assets_tests.influx import annotated_csv, flux_syntax, line_protocol
from coin_assets_tests.influx.annotated_csv import Dialect
from coin_assets_tests.influx.database import Database, Rights
from coin_assets_tests.influx.faults import Fault
from coin_assets_tests.influx.refusal import CODE, STATUS, Refusal

VERSION = "v2.7.12"
JSON = "application/json; charset=utf-8"
_ANNOTATIONS = ("datatype", "group", "default")


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


@dataclass(frozen=True)
class Api:
    """Carries out requests.

    Attributes:
        most_bytes: of the body of a write, unpacked.
    """

    database: Database
    most_bytes: int

    def answer(self, request: Request, body: bytes, token: str, fault: Fault) -> Answer:
        """Never raises for what a client does wrong."""
        try:
            if request.path in ("/ping", "/health", "/ready"):
                return self._state(request)
            rights = self.database.rights(token)
            route = self._routes().get((request.method, request.path))
            if route is None and request.path.startswith("/api/v2/buckets/"):
                return self._one_bucket(request)
            if route is None:
                raise Refusal("not found", "path not found")
            return route(request, body, rights, fault)
        except Refusal as refusal:
            return refused(refusal.code, refusal.message)

    def _routes(self) -> dict[tuple[str, str], Callable[[Request, bytes, Rights, Fault], Answer]]:
        return {
            ("POST", "/api/v2/write"): self._write,
            ("POST", "/api/v2/query"): self._query,
            ("POST", "/api/v2/delete"): self._delete,
            ("GET", "/api/v2/buckets"): self._buckets,
            ("POST", "/api/v2/buckets"): self._create_bucket,
            ("GET", "/api/v2/orgs"): self._orgs,
        }

    def _state(self, request: Request) -> Answer:
        if request.path == "/ping":
            return Answer(204)
        if request.path == "/ready":
            return json_answer(200, {"status": "ready", "started": "", "up": "1h0m0s"})
        state = {"name": "influxdb", "message": "ready for queries and writes", "status": "pass"}
        return json_answer(200, state | {"checks": [], "version": VERSION, "commit": "stand-in"})

    def _write(self, request: Request, body: bytes, rights: Rights, fault: Fault) -> Answer:
        precision = request.query.get("precision", "ns")
        if precision not in line_protocol.NANOSECONDS:
            valid = "invalid precision; valid precision units are ns, us, ms, and s"
            raise Refusal("invalid", valid)
        if not request.query.get("bucket"):
            raise Refusal("not found", "bucket not found")
        self._check_org(request)
        bucket = self.database.bucket(request.query["bucket"])
        if rights.writes is not None and bucket.name not in rights.writes:
            raise Refusal("forbidden", "insufficient permissions for write")
        text = self._unpacked(request, body).decode("utf-8", "replace")
        if not text:
            raise Refusal("invalid", "writing requires points")
        if fault.cut == "half":
            lines = text.splitlines(keepends=True)
            text = "".join(lines[: len(lines) // 2])
        request.lines = text.count("\n") + (not text.endswith("\n"))
        self.database.write(bucket.id, text, precision)
        return Answer(204)

    def _unpacked(self, request: Request, body: bytes) -> bytes:
        """Raises Refusal: 400 for what is no gzip, 413 for too much."""
        try:
            unpacked = gzip.decompress(body) if request.gzipped else body
        except (OSError, EOFError, zlib.error) as error:
            raise Refusal("invalid", f"unable to read data: gzip: {error}") from error
        if len(unpacked) > self.most_bytes:
            raise Refusal("request too large", "unable to read data: points batch is too large")
        return unpacked

    def _query(self, request: Request, body: bytes, rights: Rights, fault: Fault) -> Answer:
        request.text, dialect = _asked(request, body)
        try:
            self._check_org(request)
        except Refusal as refusal:
            raise Refusal("invalid", f"failed to decode request body: {refusal}") from refusal
        results = self.database.query(request.text, rights, fault.newest)
        if fault.message:
            results = [(name, found[: (len(found) + 1) // 2]) for name, found in results]
        text = annotated_csv.encoded(results, dialect)
        if fault.message:
            text = text.removesuffix("\r\n")
            text += annotated_csv.error(fault.message, dialect, after=text)
        return Answer(200, text.encode(), "text/csv; charset=utf-8")

    def _delete(self, request: Request, body: bytes, rights: Rights, _: Fault) -> Answer:
        request.text = body.decode("utf-8", "replace")
        document = _document(body)
        start, stop = (_delete_time(document, name) for name in ("start", "stop"))
        self._check_org(request)
        bucket = self.database.bucket(request.query.get("bucket") or request.query["bucketID"])
        if rights.writes is not None and bucket.name not in rights.writes:
            raise Refusal("forbidden", "insufficient permissions to delete")
        self.database.delete(bucket.id, start, stop, document.get("predicate", ""))
        return Answer(204)

    def _buckets(self, request: Request, _body: bytes, rights: Rights, _: Fault) -> Answer:
        self._check_org(request, required=False)
        names = request.query.get("name"), request.query.get("id")
        with self.database.lock:
            found = [
                each
                for each in self.database.buckets
                if names[0] in (None, each.name)
                and names[1] in (None, each.id)
                and (rights.reads is None or each.name in rights.reads)
            ]
            documents = [self.database.bucket_document(each) for each in found]
        if names[0] is not None and not documents and len(request.query.keys() & {"org", "orgID"}):
            raise Refusal("not found", f'bucket "{names[0]}" not found')
        links = {"self": "/api/v2/buckets?descending=false&limit=20&offset=0"}
        return json_answer(200, {"links": links, "buckets": documents})

    def _create_bucket(self, _: Request, body: bytes, rights: Rights, _fault: Fault) -> Answer:
        document = _document(body)
        if rights.writes is not None:
            raise Refusal("forbidden", "write:orgs/buckets is unauthorized")
        if document.get("orgID") != self.database.org_id:
            raise Refusal("invalid", "bucket requires an organization")
        rules = document.get("retentionRules") or [{}]
        retention = rules[0].get("everySeconds") or 0
        bucket = self.database.create(document.get("name", ""), retention)
        return json_answer(201, self.database.bucket_document(bucket))

    def _one_bucket(self, request: Request) -> Answer:
        bucket_id = request.path.rpartition("/")[2]
        if request.method == "DELETE":
            self.database.remove(bucket_id)
            return Answer(204)
        if request.method != "GET":
            raise Refusal("method not allowed", "allow: GET, DELETE")
        bucket = self.database.bucket(bucket_id)
        return json_answer(200, self.database.bucket_document(bucket))

    def _orgs(self, request: Request, _body: bytes, _rights: Rights, _: Fault) -> Answer:
        self._check_org(request, required=False)
        links = {"self": "/api/v2/orgs"}
        return json_answer(200, {"links": links, "orgs": [self.database.org_document()]})

    def _check_org(self, request: Request, required: bool = True) -> None:
        names = [request.query[name] for name in ("org", "orgID") if request.query.get(name)]
        if required and not names:
            raise Refusal("invalid", "Please provide either orgID or org")
        for name in names:
            self.database.check_org(name)


def _asked(request: Request, body: bytes) -> tuple[str, Dialect]:
    """Flux, and how its results are to be written."""
    if request.content_type.startswith("application/vnd.flux"):
        return body.decode("utf-8", "replace"), Dialect(())
    document = _document(body)
    if not document.get("query"):
        raise Refusal(
            "invalid", "failed to decode request body: request body requires either query"
        )
    if document.get("type", "flux") != "flux":
        raise Refusal("invalid", f"failed to decode request body: unknown type {document['type']}")
    wanted = document.get("dialect") or {}
    annotations = wanted.get("annotations") or ()
    for each in annotations:
        if each not in _ANNOTATIONS:
            unknown = f"unknown dialect annotation type: {each}"
            raise Refusal("invalid", f"failed to decode request body: {unknown}")
    header = wanted.get("header") is not False
    return document["query"], Dialect(tuple(annotations), header, wanted.get("delimiter") or ",")


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise Refusal("invalid", f"invalid request; error parsing request json: {error}") from error
    if not isinstance(document, dict):
        raise Refusal("invalid", "invalid request; error parsing request json: no object")
    return document


def _delete_time(document: dict[str, Any], name: str) -> int:
    try:
        return flux_syntax.nanoseconds(document[name])
    except (KeyError, ValueError, TypeError, AssertionError) as error:
        form = "please format your time with RFC3339Nano format, example: 2009-01-02T23:00:00Z"
        reason = f"invalid RFC3339Nano for field {name}, {form}"
        raise Refusal(
            "invalid", f"invalid request; error parsing request json: {reason}"
        ) from error
