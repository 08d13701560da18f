"""Our CloudWatch client against moto's server; boto3 looks at the same metrics from the other side."""
import datetime
import time

import harness
import pytest

from test_client_moto import Driver, boto, moto  # noqa: F401, moto is a fixture

DRIVER = harness.BIN.parent / "tests" / "cloudwatch_driver"
MINUTE_MS = 60000


@pytest.fixture
def client(moto):  # noqa: F811
    driver = Driver(harness.environment(endpoint=moto), DRIVER)
    yield driver
    driver.close()


def some_minute_ms():
    return (int(time.time() * 1000) // MINUTE_MS - 10) * MINUTE_MS


def test_what_we_put_boto3_reads(client, moto):  # noqa: F811
    at_ms = some_minute_ms()
    answer = client("PutMetricData", namespace="Sluice", metric="Desired", fleet="orders", at_ms=at_ms, value=25)
    assert answer["kind"] == "ok", answer
    at = datetime.datetime.fromtimestamp(at_ms / 1000, datetime.timezone.utc)
    (point,) = boto("cloudwatch", moto).get_metric_statistics(
        Namespace="Sluice", MetricName="Desired", Dimensions=[{"Name": "Fleet", "Value": "orders"}], StartTime=at,
        EndTime=at + datetime.timedelta(minutes=1), Period=60, Statistics=["Maximum"])["Datapoints"]
    assert (point["Maximum"], point["Unit"]) == (25.0, "Count")


def test_what_boto3_puts_we_read_and_what_is_not_there_has_no_points(client, moto):  # noqa: F811
    at_ms = some_minute_ms()
    cloudwatch = boto("cloudwatch", moto)
    for minute, value in ((0, 7.5), (1, 9.0)):
        cloudwatch.put_metric_data(Namespace="Shop", MetricData=[
            {"MetricName": "Depth", "Dimensions": [{"Name": "Fleet", "Value": "orders"}], "Value": value,
             "Timestamp": at_ms / 1000 + 60 * minute}])
    answer = client("GetMetricData", namespace="Shop", metrics=["Depth", "Nothing"], fleet="orders", stat="Maximum",
                    start_ms=at_ms - MINUTE_MS, end_ms=at_ms + 2 * MINUTE_MS)
    assert answer["kind"] == "ok" and answer["next_token"] == "", answer
    series = {entry["query"]: entry for entry in answer["series"]}
    assert [tuple(point) for point in series[0]["points"]] == [(at_ms + MINUTE_MS, 9.0), (at_ms, 7.5)]
    assert series[0]["status"] == 0 and series[1]["points"] == []


def test_a_call_without_queries_is_refused_before_it_is_sent(client):
    answer = client("GetMetricData", namespace="Shop", metrics=[], fleet="x", stat="Sum", start_ms=0, end_ms=60000)
    assert (answer["kind"], answer["status"]) == ("bad request", 0)
