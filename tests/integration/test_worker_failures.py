"""What becomes of messages that cannot be handled: retries, the dead-letter queue, the brake, and receives cut off at the end."""
import json
import signal

import pytest

from harness import wait_until
import harness
from worker_harness import Shop, Worker, ledger, order

SEND = "SendMessageBatch"


class Dead:
    """The dead-letter queue of a shop."""

    def __init__(self, shop, name="dead", **attributes):
        self.shop = shop
        self.url = shop.sqs.create(name, **attributes)

    def args(self, *more):
        return ["--dlq-url", self.url, "--retry-delays", "0s", *more]

    def drain(self):
        """All its messages, deleted."""
        messages = []
        while got := self.shop.sqs.call("ReceiveMessage", QueueUrl=self.url, MaxNumberOfMessages=10, AttributeNames=["All"],
                                        MessageAttributeNames=["All"]).get("Messages"):
            messages += got
            for message in got:
                self.shop.sqs.call("DeleteMessage", QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return messages


def text_attributes(message):
    return {name: value["StringValue"] for name, value in message["MessageAttributes"].items() if "StringValue" in value}


def send_with_attributes(shop, body, count):
    attributes = {f"own{i}": {"DataType": "String", "StringValue": f"value {i}"} for i in range(count - 1)}
    if count:
        attributes["bytes"] = {"DataType": "Binary.raw", "BinaryValue": "AAH/"}
    return shop.sqs.call("SendMessage", QueueUrl=shop.queue_url, MessageBody=body, MessageAttributes=attributes)["MessageId"]


def test_what_fails_too_often_is_in_the_dead_letter_queue_whole_and_with_its_reason(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=10)
    dead = Dead(shop)
    sent = shop.send_orders(10)
    bad = 'no order "at all" \u2603 ' + "x" * 1000
    ids = {send_with_attributes(shop, bad, count): count for count in (0, 3, 10)}
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="100ms"), dead.args("--max-receives", "3"))
    shop.wait_empty(worker)
    worker.finish()
    assert sorted(p.order_id for p in ledger(tmp_path)) == sorted(sent)
    messages = dead.drain()
    assert len(messages) == 3 and all(m["Body"] == bad for m in messages)
    for message in messages:
        texts = text_attributes(message)
        count = ids[texts["sluice.source_message_id"]] if "sluice.source_message_id" in texts else 10
        if count < 10:
            assert texts["sluice.receive_count"] == "3" and "JSON" in texts["sluice.reason"], texts
        own = {k: v for k, v in message["MessageAttributes"].items() if not k.startswith("sluice.")}
        assert len(own) == count
        if count:
            assert own["bytes"]["BinaryValue"] == "AAH/" and own["bytes"]["DataType"] == "Binary.raw"
    last = worker.stats()
    assert last["failed"] == 9 and last["quarantined"] == 3 and last["completed"] == 10
    assert last["deleted"] == 13 and last["received_again"] >= 6


@pytest.mark.parametrize("rule", [
    {"kind": "error", "count": 3},
    {"kind": "throttle", "count": 3},
    {"kind": "reset", "after": True, "count": 2},
    {"kind": "truncate", "after": True, "count": 2},
    {"kind": "hang", "after": True, "count": 1},
    {"kind": "entry_error", "probability": 0.7, "count": 4},
], ids=lambda rule: rule["kind"])
def test_a_dead_letter_queue_that_fails_for_a_while_loses_nothing(spawn, localaws, tmp_path, rule):
    shop = Shop(localaws, tmp_path, speed=10)
    dead = Dead(shop)
    bodies = {f"bad {i}" for i in range(20)}
    shop.send(bodies)
    shop.inject(SEND, seed=7, **{k: v for k, v in rule.items() if k != "kind"}, kind=rule["kind"])
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(), dead.args("--max-receives", "1", "--visibility-timeout", "10s"))
    shop.wait_empty(worker)
    assert shop.fired() >= 1, "the fault never happened"
    worker.finish()
    # A send whose answer was lost may be there twice.
    assert {m["Body"] for m in dead.drain()} == bodies


def test_a_message_received_too_often_is_quarantined_and_never_run(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=10)
    dead = Dead(shop)
    shop.send([order("killer")])
    for _ in range(3):  # three workers died over it
        received = shop.sqs.call("ReceiveMessage", QueueUrl=shop.queue_url, VisibilityTimeout=0)["Messages"]
        assert len(received) == 1
    sent = shop.send_orders(5)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="100ms"), dead.args("--max-receives", "3"))
    shop.wait_empty(worker)
    worker.finish()
    assert sorted(p.order_id for p in ledger(tmp_path)) == sorted(sent)
    (message,) = dead.drain()
    assert json.loads(message["Body"])["order_id"] == "killer"
    assert text_attributes(message)["sluice.receive_count"] == "4"
    assert worker.stats()["failed"] == 0


def test_a_fifo_queue_has_its_dead_letters_in_their_groups(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=10)
    shop.queue_url = shop.sqs.create("orders.fifo", FifoQueue="true")
    dead = Dead(shop, "dead.fifo", FifoQueue="true")
    for i in range(6):
        shop.sqs.call("SendMessage", QueueUrl=shop.queue_url, MessageBody=f"bad {i}", MessageGroupId=f"customer-{i % 2}",
                      MessageDeduplicationId=f"d{i}")
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(), dead.args("--max-receives", "1"))
    shop.wait_empty(worker)
    worker.finish()
    groups = {m["Body"]: m["Attributes"]["MessageGroupId"] for m in dead.drain()}
    assert groups == {f"bad {i}": f"customer-{i % 2}" for i in range(6)}


def test_a_storm_of_failures_brakes_and_is_told(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=10)
    shop.send(f"bad {i}" for i in range(100))
    capacity = harness.threads(50)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_SLOTS=50, NUM_WORKERS=50), ["--retry-delays", "0s"])
    worker.wait_stats(lambda s: s["brake_percent"] >= 90 and s["capacity"] <= 5, what="the brake")
    shop.sqs.purge(shop.queue_url)
    shop.send_orders(150)
    worker.wait_stats(lambda s: s["brake_percent"] == 0 and s["capacity"] == capacity, what="the brake to open")
    worker.finish()
    told = [line["message"] for line in worker.process.logs()]
    assert told.count("most messages fail: fewer are handled at once") == 1
    assert told.count("messages succeed again: all capacity is used") == 1


def test_concurrency_is_where_the_limit_starts_and_the_control_line_raises_it(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=10)
    shop.send_orders(200)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_SLOTS=50), ["--concurrency", "3"])
    assert worker.wait_ready()["capacity"] == 3
    assert worker.wait_stats(lambda s: s["busy"] == 3)["held"] <= 13
    worker.control({"v": 1, "type": "limit", "capacity": 8})
    worker.wait_stats(lambda s: s["busy"] == 8)
    worker.control({"v": 1, "type": "limit", "capacity": 2})
    worker.wait_stats(lambda s: s["busy"] == 2)
    worker.finish()


def test_what_a_cancelled_receive_took_comes_back_after_the_visibility_timeout(spawn, localaws, tmp_path):
    """The answer comes after the last second that a poll gets when the worker drains."""
    shop = Shop(localaws, tmp_path, speed=1)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="100ms"), ["--visibility-timeout", "5s"])
    worker.wait_stats(lambda s: s["receives"] >= 1)
    shop.inject("ReceiveMessage", "latency", latency_ms=4000, after=True)
    first = shop.send_orders(1, "first")  # brought by the poll that is open; the rule is for those that follow
    worker.wait_stats(lambda s: s["deleted"] == 1)
    sent = shop.send_orders(5)
    wait_until(lambda: shop.counts()[1] == 5, what="the receive to take them")
    worker.process.signal(signal.SIGTERM)
    assert worker.process.wait() == 0
    end = [line for line in worker.process.logs() if line["message"] == "bye"]
    assert end[0]["receives_cancelled"] >= 1 and worker.closed.wait(10)
    shop.server.faults("DELETE")
    assert {p.order_id for p in ledger(tmp_path)} == first
    second = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="100ms"))
    shop.wait_empty(second)
    second.finish()
    payments = ledger(tmp_path)
    assert sorted(p.order_id for p in payments) == sorted(first | sent)
    assert all(p.receive_count == 2 for p in payments if p.order_id in sent)
