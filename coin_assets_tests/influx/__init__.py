"""A strict stand-in for InfluxDB 2 OSS (2.7): a real HTTP server on 127.0.0.1 for the tests.

``InfluxServer`` starts it within a test, ``python -m coin_assets_tests.influx`` as a process. The
real client runs against it unchanged.

Covered, with the statuses, bodies and headers of the real server:

- ``POST /api/v2/write``: line protocol with escapes, all field types and precisions, gzip. A
  malformed line refuses the whole body (400), a type conflict or a point beyond the retention is
  left out and the rest stored (422), a point of the same series and time is merged field by field.
- ``POST /api/v2/query``: Flux, parsed and evaluated by its structure: ``from``, ``range``,
  ``filter`` (comparisons, ``and``, ``or``, ``not``, ``exists``, nulls), ``pivot``, ``group``,
  ``keep``, ``drop``, ``sort``, ``limit``, ``first``, ``last``, ``min``, ``max``, ``count``,
  ``distinct``, ``yield``, variables and ``schema.measurementTagKeys``; group keys and bounds as
  the engine has them. Answers are annotated CSV, gzip if asked for.
- ``POST /api/v2/delete`` with equalities joined by AND; ``/api/v2/buckets`` (list, create, show,
  delete), ``/api/v2/orgs`` (list), ``/health``, ``/ready``, ``/ping``.
- Tokens (401, 403), unknown names (404), bodies over the limit (413), and every fault of `Faults`.

Not covered:

- Any other function, operator, import or option of Flux, arithmetic, regular expressions, string
  interpolation, months and years as durations: refused with 400, never passed over.
- Empty tables: the real engine sends some (for example of a ``limit`` to 0 rows) as a header with
  the group key as defaults. Where tables or rows have no order by contract, the order may differ.
- A delete by ``_field``, ``_time`` or ``_value`` is refused (400); the real server says 204 and
  deletes nothing. So are operators other than ``=``.
- Types of fields belong to the whole bucket; the real server forgets them from shard to shard.
- Retention drops points when they are written, it does not expire stored ones. Nothing is kept on
  disk.
- Texts of syntax errors, ``/api/v2/authorizations`` and all other routes, InfluxQL, the ``/write``
  of version 1, several organisations, changes of buckets, permissions finer than reading and
  writing a bucket.
"""
