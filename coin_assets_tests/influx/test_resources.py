"""Buckets, organisations and the state of the server, through the real client."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
import requests
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.domain.bucket_retention_rules import BucketRetentionRules

from coin_assets_tests.influx.messages import VERSION
from coin_assets_tests.influx.server import InfluxServer
from coin_assets_tests.influx.test_writing import refusal, stored, write


def test_the_state_is_told_without_a_token(influx: InfluxServer) -> None:
    with InfluxDBClient(influx.url, "no token", org=influx.org) as client:
        assert client.ping()
        assert client.version() == VERSION
        assert client.build() == "OSS"
        with pytest.warns(DeprecationWarning, match="ping"):
            assert client.health().status == "pass"
    assert requests.head(f"{influx.url}/ping", timeout=10).status_code == 204


def test_the_clock_of_the_server(influx: InfluxServer) -> None:
    influx.clock_ahead = timedelta(hours=2)
    date = requests.get(f"{influx.url}/ping", timeout=10).headers["Date"]
    ahead = parsedate_to_datetime(date) - datetime.now(UTC)
    assert timedelta(hours=1.9) < ahead < timedelta(hours=2.1)


def test_buckets_come_and_go(client: InfluxDBClient) -> None:
    buckets = client.buckets_api()
    rules = BucketRetentionRules(type="expire", every_seconds=7_200)
    made = buckets.create_bucket(bucket_name="new", retention_rules=rules)
    write(client, f"m f=1 {int(datetime.now(UTC).timestamp())}", "new")
    found = buckets.find_bucket_by_name("new")
    assert (found.id, found.type) == (made.id, "user")
    assert found.retention_rules[0].every_seconds == 7_200
    assert found.retention_rules[0].shard_group_duration_seconds == 3_600
    assert len(stored(client, made.id)) == 1
    assert {each.name for each in buckets.find_buckets().buckets} == {
        "market",
        "new",
        "_tasks",
        "_monitoring",
    }
    buckets.delete_bucket(made)
    assert buckets.find_bucket_by_name("new") is None
    assert refusal(lambda: buckets.delete_bucket(made)) == (404, "not found", "bucket not found")
    assert refusal(lambda: write(client, "m f=1 1", "new"))[0] == 404


def test_a_bucket_that_keeps_everything_has_a_rule_of_no_seconds(client: InfluxDBClient) -> None:
    (rule,) = client.buckets_api().find_bucket_by_name("market").retention_rules
    assert rule.every_seconds == 0


def test_buckets_that_cannot_be(influx: InfluxServer, client: InfluxDBClient) -> None:
    buckets = client.buckets_api()
    assert refusal(lambda: buckets.create_bucket(bucket_name="market")) == (
        422,
        "conflict",
        "bucket with name market already exists",
    )
    assert refusal(lambda: buckets.create_bucket(bucket_name="_own"))[0] == 400
    minute = BucketRetentionRules(type="expire", every_seconds=60)
    short = refusal(lambda: buckets.create_bucket(bucket_name="short", retention_rules=minute))
    assert short[0] == 422
    assert [each.name for each in influx.database.buckets] == ["market"]


def test_an_unknown_bucket_of_a_named_organisation(influx: InfluxServer) -> None:
    answer = requests.get(
        f"{influx.url}/api/v2/buckets",
        params={"name": "nowhere", "org": influx.org},
        headers={"Authorization": f"Bearer {influx.token}"},
        timeout=10,
    )
    assert answer.status_code == 404
    assert answer.json() == {"code": "not found", "message": 'bucket "nowhere" not found'}


def test_organisations(influx: InfluxServer, client: InfluxDBClient) -> None:
    (org,) = client.organizations_api().find_organizations(org=influx.org)
    assert (org.name, org.id) == (influx.org, influx.database.org_id)
    assert refusal(lambda: client.organizations_api().find_organizations(org="nobody"))[0] == 404


def test_other_routes_are_refused(influx: InfluxServer, client: InfluxDBClient) -> None:
    assert refusal(lambda: client.users_api().me())[0] == 404
    influx.revoke()
    assert refusal(lambda: client.buckets_api().find_buckets())[0] == 401
