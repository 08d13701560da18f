"""Scenarios of a boto3 CloudWatch client against sluice-localaws; runs under any boto3, whichever protocol it speaks.

    python localaws_cloudwatch_boto3.py URL SCENARIO      ends with 0 when all assertions held; prints boto3's version

Kept apart from pytest because Debian's boto3 belongs to /usr/bin/python3, which need not have pytest.
"""
import datetime
import json
import sys
import time
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

URL = sys.argv[1]
CONFIG = Config(retries={"max_attempts": 0})
cloudwatch = boto3.client("cloudwatch", endpoint_url=URL, config=CONFIG)
sqs = boto3.client("sqs", endpoint_url=URL, config=CONFIG)


def now():
    """Product time, as the server has it."""
    t_ms = json.load(urllib.request.urlopen(f"{URL}/_localaws/stats"))["t_ms"]
    return datetime.datetime.fromtimestamp(t_ms / 1000, datetime.timezone.utc)


def minutes(n):
    return datetime.timedelta(minutes=n)


def fails(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e
        return e
    raise AssertionError(f"no {code}")


def query(query_id, metric, stat, queue="orders", namespace="AWS/SQS", period=60, **more):
    return {"Id": query_id, **more, "MetricStat": {
        "Metric": {"Namespace": namespace, "MetricName": metric, "Dimensions": [{"Name": "QueueName", "Value": queue}]},
        "Period": period, "Stat": stat}}


def ask(*queries, **more):
    t = now()
    reply = cloudwatch.get_metric_data(StartTime=t - minutes(60), EndTime=t + minutes(1), MetricDataQueries=list(queries),
                                       **more)
    return {r["Id"]: r for r in reply["MetricDataResults"]}


def until(condition):
    deadline = time.monotonic() + 100
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline
        time.sleep(0.1)


def scenario_queue():
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    for i in range(3):
        sqs.send_message(QueueUrl=url, MessageBody="x" * 10)
    (first,) = sqs.receive_message(QueueUrl=url, VisibilityTimeout=43200 // 2)["Messages"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    sqs.receive_message(QueueUrl=url, VisibilityTimeout=43200 // 2)
    queries = [query("sent", "NumberOfMessagesSent", "Sum"), query("received", "NumberOfMessagesReceived", "Sum"),
               query("deleted", "NumberOfMessagesDeleted", "Sum", Label="gone"),
               query("visible", "ApproximateNumberOfMessagesVisible", "Maximum"),
               query("hidden", "ApproximateNumberOfMessagesNotVisible", "Average"),
               query("size", "SentMessageSize", "Maximum"), query("other", "NumberOfMessagesSent", "Sum", queue="none"),
               query("unseen", "NumberOfMessagesSent", "Sum", ReturnData=False)]

    def received():
        got = ask(*queries)
        return got if sum(got["received"]["Values"]) == 2 else None

    got = until(received)
    assert sum(got["sent"]["Values"]) == 3 and sum(got["deleted"]["Values"]) == 1
    assert got["visible"]["Values"][0] == 1 and got["hidden"]["Values"][0] == 1  # the newest first
    assert max(got["size"]["Values"]) == 10
    assert got["other"] == {"Id": "other", "Label": "NumberOfMessagesSent", "Timestamps": [], "Values": [],
                            "StatusCode": "Complete", "Messages": []} or got["other"]["Values"] == []
    assert "unseen" not in got and got["deleted"]["Label"] == "gone" and got["sent"]["StatusCode"] == "Complete"
    assert all(t.second == 0 for t in got["sent"]["Timestamps"])
    assert len(got["sent"]["Timestamps"]) == len(got["sent"]["Values"])

    until(lambda: len(ask(query("a", "NumberOfMessagesSent", "Sum"))["a"]["Values"]) >= 2)
    up = ask(query("a", "NumberOfMessagesSent", "Sum"), ScanBy="TimestampAscending")["a"]["Timestamps"]
    assert up == sorted(up) and len(up) >= 2
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        StartTime=up[0], EndTime=up[1] + minutes(1), MetricDataQueries=[query("a", "NumberOfMessagesSent", "Sum"),
                                                                       query("b", "NumberOfEmptyReceives", "Sum")],
        MaxDatapoints=1)
    seen = [(r["Id"], t) for page in pages for r in page["MetricDataResults"] for t in r["Timestamps"]]
    assert sorted(seen) == sorted((i, t) for i in "ab" for t in up[:2]), seen
    names = cloudwatch.list_metrics(Namespace="AWS/SQS", Dimensions=[{"Name": "QueueName", "Value": "orders"}])["Metrics"]
    assert "ApproximateAgeOfOldestMessage" in [m["MetricName"] for m in names] and len(names) == 9


def scenario_custom():
    dimensions = [{"Name": "QueueName", "Value": "orders"}]
    cloudwatch.put_metric_data(Namespace="Sluice", MetricData=[
        {"MetricName": "Desired", "Dimensions": dimensions, "Value": 7, "Unit": "Count", "Timestamp": now()},
        {"MetricName": "Wait", "Dimensions": dimensions, "Values": [1.5, 2.5], "Counts": [1, 3], "Unit": "Seconds"},
        {"MetricName": "Set", "Dimensions": dimensions,
         "StatisticValues": {"SampleCount": 4, "Sum": 10, "Minimum": 1, "Maximum": 4}}])
    got = ask(query("desired", "Desired", "Maximum", namespace="Sluice"), query("wait", "Wait", "Average", namespace="Sluice"),
              query("set", "Set", "SampleCount", namespace="Sluice"))
    assert {k: r["Values"] for k, r in got.items()} == {"desired": [7.0], "wait": [2.25], "set": [4.0]}
    assert [m["MetricName"] for m in cloudwatch.list_metrics(Namespace="Sluice")["Metrics"]] == ["Desired", "Set", "Wait"]


def scenario_errors():
    t = now()
    good = query("a", "NumberOfMessagesSent", "Sum")
    fails("ValidationError", cloudwatch.get_metric_data, StartTime=t, EndTime=t, MetricDataQueries=[good])
    fails("ValidationError", cloudwatch.get_metric_data, StartTime=t - minutes(1), EndTime=t, MetricDataQueries=[good, good])
    fails("InvalidParameterValue", cloudwatch.get_metric_data, StartTime=t - minutes(1), EndTime=t,
          MetricDataQueries=[query("a", "NumberOfMessagesSent", "Sum", period=45)])
    error = fails("InvalidNextToken", cloudwatch.get_metric_data, StartTime=t - minutes(1), EndTime=t,
                  MetricDataQueries=[good], NextToken="none")
    assert isinstance(error, cloudwatch.exceptions.InvalidNextToken)
    error = fails("InvalidParameterValue", cloudwatch.put_metric_data, Namespace="AWS/SQS",
                  MetricData=[{"MetricName": "m", "Value": 1}])
    assert isinstance(error, cloudwatch.exceptions.InvalidParameterValueException)
    fails("MissingParameter", cloudwatch.put_metric_data, Namespace="N", MetricData=[{"MetricName": "m"}])
    many = [query(f"q{i}", "NumberOfMessagesSent", "Sum") for i in range(501)]
    fails("ValidationError", cloudwatch.get_metric_data, StartTime=t - minutes(1), EndTime=t, MetricDataQueries=many)
    cloudwatch.get_metric_data(StartTime=t - minutes(1), EndTime=t, MetricDataQueries=many[:500])


def scenario_faults():
    def lay(**rule):
        body = json.dumps(rule).encode()
        urllib.request.urlopen(urllib.request.Request(f"{URL}/_localaws/faults", data=body, method="POST"))

    cloudwatch.put_metric_data(Namespace="Sluice", MetricData=[
        {"MetricName": "M", "Dimensions": [{"Name": "QueueName", "Value": "orders"}], "Value": 1}])
    one = query("a", "M", "Sum", namespace="Sluice")
    assert ask(one)["a"]["Values"] == [1.0]
    lay(operation="GetMetricData", kind="throttle", count=1)
    try:
        ask(one)
        raise AssertionError("not throttled")
    except ClientError as e:
        assert e.response["Error"]["Code"] in ("Throttling", "ThrottlingException"), e
        assert e.response["Error"]["Message"] == "Rate exceeded"
    lay(operation="GetMetricData", kind="gap", count=1)
    assert ask(one)["a"]["Values"] == []
    lay(operation="GetMetricData", kind="entry_error", entry_probability=1, count=1)
    failed = ask(one)["a"]
    assert failed["StatusCode"] == "InternalError" and failed["Values"] == [] and failed["Messages"]
    lay(operation="GetMetricData", kind="error", count=1)
    try:
        ask(one)
        raise AssertionError("no error")
    except ClientError as e:
        assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 500, e
    lay(operation="PutMetricData", kind="latency", latency_ms=50, count=1)
    cloudwatch.put_metric_data(Namespace="Sluice", MetricData=[
        {"MetricName": "M", "Dimensions": [{"Name": "QueueName", "Value": "orders"}], "Value": 1}])
    assert sum(ask(one)["a"]["Values"]) == 2.0


if __name__ == "__main__":
    print(f"boto3 {boto3.__version__}")
    globals()[f"scenario_{sys.argv[2]}"]()
