"""The routes of the HTTP interface: requests to calls of the database, and answers back."""

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from coin_assets_tests.influx import annotated_csv, line_protocol
from coin_assets_tests.influx.annotated_csv import Dialect
from coin_assets_tests.influx.database import Database, Rights
from coin_assets_tests.influx.faults import Fault
from coin_assets_tests.influx.flux_tree import nanoseconds
from coin_assets_tests.influx.messages import VERSION, Answer, Request, json_answer, refused
from coin_assets_tests.influx.refusal import Refusal

_ANNOTATIONS = ("datatype", "group", "default")


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
            lines = text.split("\n")
            text = "\n".join(lines[: len(lines) // 2])
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
            text = annotated_csv.broken_off(results, fault.message, dialect)
        else:
            text = annotated_csv.encoded(results, dialect)
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
        name, bucket_id = request.query.get("name"), request.query.get("id")
        documents = [
            self.database.bucket_document(each)
            for each in self.database.all_buckets()
            if name in (None, each.name)
            and bucket_id in (None, each.id)
            and (rights.reads is None or each.name in rights.reads)
        ]
        if name is not None and not documents and request.query.keys() & {"org", "orgID"}:
            raise Refusal("not found", f'bucket "{name}" not found')
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
        return nanoseconds(document[name])
    except (KeyError, ValueError, TypeError, AssertionError) as error:
        form = "please format your time with RFC3339Nano format, example: 2009-01-02T23:00:00Z"
        reason = f"invalid RFC3339Nano for field {name}, {form}"
        raise Refusal(
            "invalid", f"invalid request; error parsing request json: {reason}"
        ) from error
