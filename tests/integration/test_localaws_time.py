"""Product time: with a scale, whole seconds of SQS pass N times as fast, to the millisecond of all clocks involved."""
import time

import pytest

import harness
from localaws_client import Client

SPEED = 20


@pytest.fixture
def world(localaws):
    origin_ms = int(time.time() * 1000)
    server = localaws(speed=SPEED, origin_ms=origin_ms, args=("--create-queue", "q"))
    client = Client(server.url)
    yield client, server.queue_url("q"), origin_ms
    client.close()


def product_ms(origin_ms):
    return origin_ms + (time.time() * 1000 - origin_ms) * SPEED


def test_timestamps_are_product_time(world):
    client, url, origin_ms = world
    before = product_ms(origin_ms)
    client.call("SendMessage", QueueUrl=url, MessageBody="m")
    between = product_ms(origin_ms)
    (message,) = client.call("ReceiveMessage", QueueUrl=url, MessageSystemAttributeNames=["All"])["Messages"]
    after = product_ms(origin_ms)
    slack = 400  # 20 ms of real time between the clocks of two processes
    assert before - slack <= int(message["Attributes"]["SentTimestamp"]) <= between + slack
    assert between - slack <= int(message["Attributes"]["ApproximateFirstReceiveTimestamp"]) <= after + slack
    created = client.call("GetQueueAttributes", QueueUrl=url, AttributeNames=["CreatedTimestamp"])
    assert origin_ms // 1000 - 1 <= int(created["Attributes"]["CreatedTimestamp"]) <= before // 1000


def test_visibility_of_30_s_ends_after_30_s_of_product_time(world):
    client, url, origin_ms = world
    client.call("SendMessage", QueueUrl=url, MessageBody="m")
    sent = client.call("ReceiveMessage", QueueUrl=url, MessageSystemAttributeNames=["All"])["Messages"][0]["Attributes"]
    (again,) = client.call("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20, VisibilityTimeout=0).get(
        "Messages", []) or client.call("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20)["Messages"]
    assert again["MessageId"]
    assert product_ms(origin_ms) - int(sent["ApproximateFirstReceiveTimestamp"]) >= 30000 - 400
    assert client.stats()["queues"]["q"]["received"] == 2


def test_a_long_poll_of_20_s_ends_after_20_s_of_product_time(world):
    client, url, origin_ms = world
    before = product_ms(origin_ms)
    assert "Messages" not in client.call("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20)
    assert product_ms(origin_ms) - before >= 20000 - 400


def test_the_queues_own_wait_counts_and_an_explicit_zero_wins(world):
    client, url, origin_ms = world
    client.call("SetQueueAttributes", QueueUrl=url, Attributes={"ReceiveMessageWaitTimeSeconds": "20"})
    before = product_ms(origin_ms)
    assert "Messages" not in client.call("ReceiveMessage", QueueUrl=url)
    assert product_ms(origin_ms) - before >= 20000 - 400
    client.call("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=0)
    assert client.stats()["queues"]["q"]["empty_receives"] == 2


def test_delays_and_purges_are_product_time(world):
    client, url, _ = world
    client.call("SendMessage", QueueUrl=url, MessageBody="m", DelaySeconds=20)
    assert client.counts(url) == (0, 0, 1)
    assert client.call("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20, VisibilityTimeout=0).get(
        "Messages") or client.call("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20)["Messages"]
    client.call("PurgeQueue", QueueUrl=url)
    start = client.stats()["t_ms"]

    def purged():
        try:
            client.call("PurgeQueue", QueueUrl=url)
            return True
        except Exception as e:
            assert "PurgeQueueInProgress" in str(e)
            return False

    harness.wait_until(purged, what="the second purge")
    assert client.stats()["t_ms"] - start >= 59000


def test_a_deleted_name_comes_back_after_60_s_of_product_time(world):
    client, url, _ = world
    client.call("DeleteQueue", QueueUrl=url)

    def created():
        try:
            return client.call("CreateQueue", QueueName="q")
        except Exception as e:
            assert "QueueDeletedRecently" in str(e)
            return None

    assert harness.wait_until(created, what="the name to be free")["QueueUrl"] == url
