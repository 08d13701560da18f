"""sluice load against the local endpoint: the schedule, exact shares, faults, endings."""
import collections
import json
import signal
import subprocess
import time

import pytest

import harness
from harness import BIN, wait_until
from supervisor_harness import Sqs

Sent = collections.namedtuple("Sent", "order_id message_id t_ms due_ms kind sns attempt resent")


class Scene:
    """A local endpoint with one queue, and sluice load pointed at it."""

    def __init__(self, localaws, folder, speed=20):
        self.folder = folder
        self.origin_ms = int(time.time() * 1000)
        self.speed = harness.speed(speed)
        self.server = localaws(speed=self.speed, origin_ms=self.origin_ms)
        self.sqs = Sqs(self.server.url)
        self.queue_url = self.sqs.create("orders")
        self.log_path = folder / "sent.jsonl"

    def env(self, **extra):
        return harness.environment(self.server.url, speed=self.speed, origin_ms=self.origin_ms, **extra)

    def argv(self, *args):
        return [str(a) for a in [BIN / "sluice", "load", "--queue-url", self.queue_url, "--json", "--log", self.log_path,
                                 *args]]

    def load(self, *args, exit_code=0, **extra):
        done = subprocess.run(self.argv(*args), env=self.env(**extra), capture_output=True, text=True, timeout=120)
        assert done.returncode == exit_code, done.stdout + done.stderr
        return json.loads(done.stdout) if done.stdout else done.stderr

    def log(self):
        text = self.log_path.read_text()
        assert text == "" or text.endswith("\n")
        return [Sent(**json.loads(line)) for line in text.splitlines()]

    def inject(self, **rule):
        self.server.faults("POST", {"operation": "SendMessageBatch", "seed": 3, **rule})

    def fired(self):
        return sum(rule["fired_total"] for rule in self.server.faults()["rules"])

    def messages(self):
        """All messages of the queue; it is empty afterwards."""
        found = []
        while True:
            reply = self.sqs.call("ReceiveMessage", QueueUrl=self.queue_url, MaxNumberOfMessages=10,
                                  VisibilityTimeout=43200, MessageAttributeNames=["All"])
            if not reply.get("Messages"):
                return found
            found += reply["Messages"]


@pytest.fixture
def scene(localaws, tmp_path):
    return Scene(localaws, tmp_path)


def order_id_of(message):
    return message["MessageAttributes"]["order_id"]["StringValue"]


def order_of(message):
    """The order in a message, or None when it is malformed."""
    text = message["Body"]
    try:
        body = json.loads(text)
        if isinstance(body, dict) and body.get("Type") == "Notification":
            assert body["TopicArn"] and body["MessageId"]
            body = json.loads(body["Message"])
    except ValueError:
        return None
    if not isinstance(body, dict) or "order_id" not in body or not body["items"]:
        return None
    return body if isinstance(body["customer_id"], int) else None


def test_every_order_is_due_at_its_time_and_none_goes_early(scene):
    report = scene.load("--rate", 60, "--duration", "10s", "--seed", 5)
    assert (report["orders"], report["acknowledged"], report["failed"], report["unsent"]) == (600, 600, 0, 0)
    log = scene.log()
    assert len(log) == 600
    by_number = sorted(log, key=lambda line: line.order_id)
    for number, line in enumerate(by_number):
        assert line.due_ms - report["started_ms"] == -(-number * 1000 // 60)
        assert line.t_ms >= line.due_ms
    assert scene.sqs.counts(scene.queue_url) == (600, 0)


def test_the_schedule_does_not_wait_for_answers(scene):
    # Each answer takes a real second, 20 product ones: a sender that waited would be that late with its second batch.
    scene.inject(kind="latency", latency_ms=1000)
    report = scene.load("--rate", 60, "--duration", "5s")
    assert report["acknowledged"] == 300
    assert report["late_max_ms"] < 20_000
    assert scene.fired() == report["calls"]


def test_orders_are_valid_and_the_malformed_ones_exactly_those_of_the_log(scene):
    report = scene.load("--rate", 1000, "--count", 500, "--sns", 0.5, "--malformed", 0.03, "--seed", 11)
    log = {line.order_id: line for line in scene.log()}
    assert len(log) == 500
    assert sum(line.kind == "malformed" for line in log.values()) == 15 == report["acknowledged_malformed"]
    assert sum(line.sns for line in log.values()) == 250 == report["acknowledged_sns"]
    messages = scene.messages()
    assert {order_id_of(m): m["MessageId"] for m in messages} == {k: v.message_id for k, v in log.items()}
    for message in messages:
        order = order_of(message)
        line = log[order_id_of(message)]
        assert (order is None) == (line.kind == "malformed"), message["Body"]
        if order:
            assert order["order_id"] == line.order_id
            assert order["customer_id"] >= 1 and order["status"] == "pending" and order["created_at"]
            assert ("TopicArn" in json.loads(message["Body"])) == line.sns


def test_a_seed_repeats_ids_and_choice(scene):
    for seed in (7, 7, 8):
        scene.load("--rate", 1000, "--count", 50, "--sns", 0.5, "--malformed", 0.1, "--seed", seed)
    lines = [(line.order_id, line.kind) for line in scene.log()]
    first, second, third = (sorted(lines[i:i + 50]) for i in (0, 50, 100))
    assert first == second
    assert not {name for name, _ in first} & {name for name, _ in third}


# Whether an attempt that met the fault may have put the message into the queue.
FAULTS = {
    "throttle": ({"kind": "throttle", "probability": 0.4}, False),
    "entry_error": ({"kind": "entry_error", "entry_probability": 0.4, "code": "InternalError"}, False),
    "error": ({"kind": "error", "probability": 0.4}, True),
    "error-after": ({"kind": "error", "after": True, "probability": 0.4}, True),
    "reset": ({"kind": "reset", "probability": 0.4}, True),
    "reset-after": ({"kind": "reset", "after": True, "probability": 0.4}, True),
    "truncate": ({"kind": "truncate", "probability": 0.4}, True),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_lose_no_order_and_doubles_are_counted(scene, name):
    rule, unclear = FAULTS[name]
    scene.inject(**rule)
    report = scene.load("--rate", 200, "--count", 200, "--max-attempts", 100)
    assert scene.fired() >= 1, "the fault never happened"
    scene.server.faults("DELETE")
    assert (report["acknowledged"], report["failed"]) == (200, 0)
    assert report["retried_entries"] >= 1
    log = scene.log()
    assert len({line.order_id for line in log}) == 200
    resent = {line.order_id for line in log if line.resent}
    assert len(resent) == report["resent"]
    assert bool(resent) == unclear
    messages = scene.messages()
    in_queue = collections.Counter(order_id_of(m) for m in messages)
    assert {line.message_id for line in log} <= {m["MessageId"] for m in messages}
    assert set(in_queue) == {line.order_id for line in log}
    assert {order for order, count in in_queue.items() if count > 1} <= resent


def test_what_happened_before_the_effect_leaves_no_double(scene):
    scene.inject(kind="reset", probability=0.4)
    report = scene.load("--rate", 200, "--count", 100, "--max-attempts", 100)
    assert report["resent"] >= 1  # load cannot know, and says so
    assert scene.sqs.counts(scene.queue_url) == (100, 0)


def test_refused_entries_fail_and_are_told(scene):
    scene.inject(kind="entry_error", entry_probability=1, count=1, code="InvalidMessageContents")
    report = scene.load("--rate", 100, "--count", 30, exit_code=1)
    assert report["failed"] >= 1
    assert report["acknowledged"] == 30 - report["failed"]
    assert len(scene.log()) == report["acknowledged"] == scene.sqs.counts(scene.queue_url)[0]


def test_attempts_come_to_an_end(scene):
    scene.inject(kind="error", code="InternalError", status=500)
    report = scene.load("--rate", 100, "--count", 5, "--max-attempts", 2, exit_code=1)
    assert (report["acknowledged"], report["failed"], report["failed_unknown"]) == (0, 5, 5)
    assert "InternalError" in report["last_error"]


def test_term_stops_the_schedule_and_reports(scene, spawn):
    load = spawn(scene.argv("--rate", 20, "--duration", "10h"), scene.env(), name="load")
    wait_until(lambda: scene.log_path.exists() and len(scene.log()) >= 50, what="some orders")
    load.signal(signal.SIGTERM)
    assert load.wait() == 0, load.stderr()
    report = json.loads(load.stdout())
    assert report["interrupted"] and report["failed"] == 0
    assert report["unsent"] == report["orders"] - report["acknowledged"] > 0
    assert len(scene.log()) == report["acknowledged"] == scene.sqs.counts(scene.queue_url)[0]


def test_a_second_int_leaves_at_once_and_names_what_is_unclear(scene, spawn):
    scene.inject(kind="hang")
    load = spawn(scene.argv("--rate", 20, "--duration", "10h"), scene.env(), name="load")
    wait_until(lambda: scene.fired() >= 1, what="a hanging call")
    load.signal(signal.SIGINT)
    load.signal(signal.SIGTERM)  # two signals of one kind would count once while they are pending
    assert load.wait() == 1, load.stderr()
    report = json.loads(load.stdout())
    assert report["failed"] == report["failed_unknown"] >= 1


@pytest.mark.parametrize(
    "args, env, code, words",
    [
        (["--rate", "0"], {}, 64, "rate"),
        (["--sns", "1.5"], {}, 64, "sns"),
        (["--malformed", "x"], {}, 64, "malformed"),
        (["--duration", "60"], {}, 64, "duration"),
        (["--rate", "100000", "--duration", "1h"], {}, 64, "want 1 to 10000000"),
        (["--queue-url", "orders"], {}, 64, "http://"),
        (["--bogus"], {}, 64, "bogus"),
        (["--log", "/dev/full", "--count", "3"], {}, 74, "No space left"),
        (["--log", "/nonexistent/log"], {}, 74, "/nonexistent/log"),
        (["--count", "3"], {"AWS_SECRET_ACCESS_KEY": "wrong"}, 77, "request signature we calculated does not match"),
        (["--count", "3"], {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, 77, "AWS_ACCESS_KEY_ID"),
        (["--count", "3", "--endpoint-url", "http://127.0.0.1:1", "--max-attempts", "2"], {}, 69, "ConnectFailed"),
        (["--count", "3", "--endpoint-url", "https://sqs.us-east-1.amazonaws.com"], {}, 78, "not loopback"),
    ],
)
def test_what_cannot_work_says_why(scene, args, env, code, words):
    done = subprocess.run(scene.argv(*args), env=scene.env(**env), capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    assert words in done.stdout + done.stderr
    if words != "No space left":  # which is noticed only after an order was acknowledged
        assert scene.sqs.counts(scene.queue_url)[0] == 0


def test_a_queue_that_is_not_there_is_named(scene):
    scene.queue_url += "-not"
    report = scene.load("--count", 3, exit_code=69)
    assert "QueueDoesNotExist" in report["last_error"]


def test_the_queue_may_come_from_the_environment(scene):
    argv = [BIN / "sluice", "load", "--count", "3", "--rate", "100"]
    done = subprocess.run(argv, env=scene.env(SQS_QUEUE_URL=scene.queue_url), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "3 of 3 orders acknowledged" in done.stdout
    done = subprocess.run(argv, env=scene.env(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 64
    assert "SQS_QUEUE_URL" in done.stderr


def test_the_region_is_that_of_the_queue(scene):
    """With no region anywhere else: that of the local endpoint's signature check is us-east-1, too."""
    scene.queue_url = "https://sqs.us-east-1.amazonaws.com/123456789012/orders"
    nowhere = {"AWS_REGION": None, "AWS_DEFAULT_REGION": None, "AWS_EC2_METADATA_DISABLED": "true"}
    assert scene.load("--count", 3, **nowhere)["acknowledged"] == 3
    scene.queue_url = scene.server.url + "/123456789012/orders"
    assert "no AWS region" in scene.load("--count", 3, exit_code=78, **nowhere)


def test_a_fifo_queue_gets_every_order_once_in_groups(localaws, tmp_path):
    scene = Scene(localaws, tmp_path)
    scene.queue_url = scene.sqs.create("orders.fifo", FifoQueue="true")
    scene.inject(kind="reset", after=True, probability=0.3)  # sent again, and taken once
    report = scene.load("--count", "60", "--rate", "200", "--groups", "7", "--seed", "5")
    assert scene.fired() >= 1 and report["acknowledged"] == 60
    found = []
    while messages := scene.sqs.call("ReceiveMessage", QueueUrl=scene.queue_url, MaxNumberOfMessages=10,
                                     MessageSystemAttributeNames=["MessageGroupId", "MessageDeduplicationId"]
                                     ).get("Messages"):
        found += messages
        scene.sqs.call("DeleteMessageBatch", QueueUrl=scene.queue_url, Entries=[
            {"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(messages)])
    groups = collections.Counter(m["Attributes"]["MessageGroupId"] for m in found)
    assert groups == {f"g{i}": 60 // 7 + (i < 60 % 7) for i in range(7)}
    assert all(json.loads(m["Body"])["order_id"] == m["Attributes"]["MessageDeduplicationId"] for m in found)
    assert scene.load("--count", "3", "--seed", "6")["acknowledged"] == 3  # groups by itself
