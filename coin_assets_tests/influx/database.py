"""The data of the stand-in: an organisation, its buckets and who may use them."""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import RLock
from typing import Any

from coin_assets_tests.influx import delete_predicate, flux_engine, line_protocol
from coin_assets_tests.influx.flux_pushdown import Wanted
from coin_assets_tests.influx.points import Bucket, Stored, rfc3339
from coin_assets_tests.influx.refusal import Refusal
from coin_assets_tests.influx.tables import Table

DAY, HOUR = 86_400, 3_600
SYSTEM = (Bucket("10", "_tasks", 3 * DAY), Bucket("11", "_monitoring", 7 * DAY))


@dataclass(frozen=True)
class Rights:
    """What a token may do: names of buckets, or all of them."""

    reads: frozenset[str] | None = None
    writes: frozenset[str] | None = None


@dataclass
class Database:
    """Everything that outlives a restart; safe to use from any thread.

    Attributes:
        org: name of the only organisation.
        now: the clock, in nanoseconds.
        tokens: those that are accepted.
    """

    org: str
    now: Callable[[], int]
    tokens: dict[str, Rights] = field(default_factory=dict)
    buckets: list[Bucket] = field(default_factory=list)
    org_id: str = field(default_factory=lambda: secrets.token_hex(8))
    lock: RLock = field(default_factory=RLock)

    def rights(self, token: str) -> Rights:
        """Raises Refusal (401) for a token that is not accepted."""
        if token not in self.tokens:
            raise Refusal("unauthorized", "unauthorized access")
        return self.tokens[token]

    def create(self, name: str, retention: int = 0) -> Bucket:
        """A new bucket.

        Args:
            retention: seconds, 0 for ever.

        Raises:
            Refusal: 422; there is one of that name, or the retention is below an hour.
        """
        with self.lock:
            if any(each.name == name for each in self.buckets):
                raise Refusal("conflict", f"bucket with name {name} already exists")
            if not name or name.startswith("_"):
                reserved = f"bucket name {name} is invalid. Buckets may not start with underscore"
                raise Refusal("invalid", reserved)
            if 0 < retention < HOUR:
                raise Refusal(
                    "unprocessable entity", "retention policy duration must be at least 1h"
                )
            self.buckets.append(Bucket(secrets.token_hex(8), name, retention))
            return self.buckets[-1]

    def remove(self, bucket_id: str) -> None:
        with self.lock:
            found = [each for each in self.buckets if each.id == bucket_id]
            if not found:
                raise Refusal("not found", "bucket not found")
            self.buckets.remove(found[0])

    def all_buckets(self) -> list[Bucket]:
        """Also those that the server keeps for itself."""
        with self.lock:
            return [*self.buckets, *SYSTEM]

    def bucket(self, name: str) -> Bucket:
        """By name or id. Raises Refusal (404)."""
        with self.lock:
            for bucket in self.buckets:
                if name in (bucket.name, bucket.id):
                    return bucket
        raise Refusal("not found", f'bucket "{name}" not found')

    def check_org(self, name: str) -> None:
        """Raises Refusal (404) for another organisation than this one."""
        if name not in (self.org, self.org_id):
            raise Refusal("not found", f'organization name "{name}" not found')

    def write(self, bucket: str, text: str, precision: str) -> int:
        """Store line protocol; the number of its points.

        Raises:
            Refusal: 400 for malformed lines, 422 for points that cannot be stored.
        """
        target = self.bucket(bucket)
        now = self.now()
        points = line_protocol.parse(text, precision, now)
        with self.lock:
            target.write(points, now)
        return len(points)

    def query(self, text: str, rights: Rights, hidden: int = 0) -> list[tuple[str, list[Table]]]:
        """The results of a Flux program.

        Args:
            hidden: so many of the newest rows of each field are not seen.

        Raises:
            Refusal: what the engine has against the program.
        """

        def read(name: str, start: int, stop: int, wanted: Wanted) -> Iterable[Stored]:
            prefix = "failed to initialize execute state: "
            try:
                bucket = self.bucket(name)
            except Refusal as error:
                raise Refusal(error.code, f'{prefix}could not find bucket "{name}"') from error
            if rights.reads is not None and bucket.name not in rights.reads:
                raise Refusal("not found", f'{prefix}could not find bucket "{name}"')
            with self.lock:
                return list(bucket.read(start, stop, wanted, hidden))

        return flux_engine.evaluate(text, read, self.now())

    def delete(self, bucket: str, start: int, stop: int, predicate: str) -> None:
        chosen = delete_predicate.parse(predicate)
        with self.lock:
            self.bucket(bucket).delete(start, stop, chosen)

    def org_document(self) -> dict[str, Any]:
        path = f"/api/v2/orgs/{self.org_id}"
        return {
            "links": {"self": path, "buckets": f"/api/v2/buckets?org={self.org}"},
            "id": self.org_id,
            "name": self.org,
            "description": "",
            "createdAt": rfc3339(self.now()),
            "updatedAt": rfc3339(self.now()),
        }

    def bucket_document(self, bucket: Bucket) -> dict[str, Any]:
        """As the server tells of a bucket: an endless one has a rule of 0 seconds."""
        days = bucket.retention / DAY
        shard = 7 * DAY if not days or days >= 180 else DAY if days >= 2 else HOUR
        rule = {"type": "expire", "everySeconds": bucket.retention}
        made = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        path = f"/api/v2/buckets/{bucket.id}"
        return {
            "id": bucket.id,
            "orgID": self.org_id,
            "type": "system" if bucket.name.startswith("_") else "user",
            "name": bucket.name,
            "retentionRules": [rule | {"shardGroupDurationSeconds": shard}],
            "createdAt": made,
            "updatedAt": made,
            "links": {"self": path, "org": f"/api/v2/orgs/{self.org_id}"},
            "labels": [],
        }
