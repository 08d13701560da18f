"""Every kind of fault meets every operation of SQS, and each is seen to have fired."""
import http.client
import json
import threading
import time

import pytest

import harness
from localaws_client import Client, Raw, SqsError, json_request

OPERATIONS = [
    "AddPermission", "CancelMessageMoveTask", "ChangeMessageVisibility", "ChangeMessageVisibilityBatch", "CreateQueue",
    "DeleteMessage", "DeleteMessageBatch", "DeleteQueue", "GetQueueAttributes", "GetQueueUrl",
    "ListDeadLetterSourceQueues", "ListMessageMoveTasks", "ListQueueTags", "ListQueues", "PurgeQueue",
    "ReceiveMessage", "RemovePermission", "SendMessage", "SendMessageBatch", "SetQueueAttributes",
    "StartMessageMoveTask", "TagQueue", "UntagQueue",
]
UNSUPPORTED = {"AddPermission", "RemovePermission", "CancelMessageMoveTask", "ListMessageMoveTasks",
               "StartMessageMoveTask"}
BATCHES = {"SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"}
KINDS = ["error", "throttle", "latency", "hang", "reset", "truncate", "duplicate", "entry_error", "stale_counts",
         "noisy_counts"]


@pytest.fixture
def server(localaws):
    return localaws(args=("--create-queue", "q"))


@pytest.fixture
def client(server):
    client = Client(server.url, timeout_s=30)
    yield client
    client.close()


class Scene:
    """A queue of its own with two messages, one of them in flight; and what each operation is called with."""

    def __init__(self, client, name):
        self.client = client
        self.name = name
        self.url = client.call("CreateQueue", QueueName=name)["QueueUrl"]
        client.call("SendMessageBatch", QueueUrl=self.url,
                    Entries=[{"Id": str(i), "MessageBody": f"m{i}"} for i in range(2)])
        received = client.call("ReceiveMessage", QueueUrl=self.url, VisibilityTimeout=600)
        self.handle = received["Messages"][0]["ReceiptHandle"]

    def members(self, operation):
        batch = [{"Id": "a", "ReceiptHandle": self.handle}]
        extra = {
            "ChangeMessageVisibility": {"ReceiptHandle": self.handle, "VisibilityTimeout": 500},
            "ChangeMessageVisibilityBatch": {"Entries": [{**batch[0], "VisibilityTimeout": 500}]},
            "CreateQueue": {"QueueName": f"{self.name}-new"},
            "DeleteMessage": {"ReceiptHandle": self.handle},
            "DeleteMessageBatch": {"Entries": batch},
            "GetQueueAttributes": {"AttributeNames": ["All"]},
            "GetQueueUrl": {"QueueName": self.name},
            "SendMessage": {"MessageBody": "new"},
            "SendMessageBatch": {"Entries": [{"Id": "a", "MessageBody": "new"}]},
            "SetQueueAttributes": {"Attributes": {"VisibilityTimeout": "77"}},
            "TagQueue": {"Tags": {"k": "v"}},
            "UntagQueue": {"TagKeys": ["k"]},
            "ReceiveMessage": {"WaitTimeSeconds": 0},
        }.get(operation, {})
        return extra if operation in ("CreateQueue", "GetQueueUrl", "ListQueues") else {"QueueUrl": self.url, **extra}

    def has_taken_effect(self, operation):
        """Whether the operation changed what it is there to change; None when it changes nothing."""
        try:
            visible, in_flight, _ = self.client.counts(self.url)
        except SqsError as e:
            assert e.type == "QueueDoesNotExist"
            return operation == "DeleteQueue"
        if operation in ("SendMessage", "SendMessageBatch"):
            return visible > 1
        if operation in ("DeleteMessage", "DeleteMessageBatch"):
            return in_flight == 0
        if operation == "ReceiveMessage":
            return in_flight == 2
        if operation == "PurgeQueue":
            return visible == 0
        if operation == "DeleteQueue":
            return False
        if operation == "CreateQueue":
            try:
                return bool(self.client.call("GetQueueUrl", QueueName=f"{self.name}-new"))
            except SqsError:
                return False
        if operation == "SetQueueAttributes":
            got = self.client.call("GetQueueAttributes", QueueUrl=self.url, AttributeNames=["VisibilityTimeout"])
            return got["Attributes"]["VisibilityTimeout"] == "77"
        if operation == "TagQueue":
            return "Tags" in self.client.call("ListQueueTags", QueueUrl=self.url)
        return None


def call_under(server, client, scene, operation, rule):
    """Posts the rule, makes the call, clears the rule; returns the outcome and asserts that the fault fired once."""
    server.faults("POST", {"operation": operation, **rule})
    try:
        try:
            outcome = client.call(operation, **scene.members(operation))
        except (SqsError, OSError, http.client.HTTPException, ValueError) as e:
            outcome = e
        (shown,) = server.faults()["rules"]
    finally:
        server.faults("DELETE")
    assert shown["fired"] == {operation: 1} and shown["fired_total"] == 1, (operation, rule, shown)
    return outcome


def answers_normally(operation, outcome):
    if operation in UNSUPPORTED:
        return isinstance(outcome, SqsError) and outcome.type == "UnsupportedOperation"
    return isinstance(outcome, dict)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("kind", ["error", "throttle", "reset", "hang"])
def test_faults_that_break_an_operation(server, client, kind, after):
    for operation in OPERATIONS:
        scene = Scene(client, f"{kind}-{operation}")
        rule = {"kind": kind, "after": after}
        if kind == "hang":
            client.timeout_s = 0.3  # how long the client has patience; the server never answers
            client.close()
        outcome = call_under(server, client, scene, operation, rule)
        client.timeout_s = 30
        if kind == "error":
            assert isinstance(outcome, SqsError) and outcome.status == 500 and outcome.type == "InternalFailure"
        elif kind == "throttle":
            assert isinstance(outcome, SqsError) and outcome.status == 403 and outcome.type == "RequestThrottled"
        elif kind == "reset":
            assert isinstance(outcome, (ConnectionResetError, http.client.RemoteDisconnected)), outcome
        else:
            assert isinstance(outcome, TimeoutError), outcome
        effect = scene.has_taken_effect(operation)
        assert effect is None or effect == after, (operation, kind, after)


def test_truncated_replies(server, client):
    for operation in OPERATIONS:
        scene = Scene(client, f"truncate-{operation}")
        outcome = call_under(server, client, scene, operation, {"kind": "truncate"})
        assert isinstance(outcome, http.client.IncompleteRead), (operation, outcome)
        effect = scene.has_taken_effect(operation)
        assert effect is None or effect, operation


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_latency(server, client, after):
    """The operation happens after the latency, or before it; either way the call takes at least that long."""
    for operation in OPERATIONS:
        scene = Scene(client, f"latency-{operation}")
        start = time.monotonic()
        outcome = call_under(server, client, scene, operation, {"kind": "latency", "latency_ms": 30, "after": after})
        assert time.monotonic() - start >= 0.03
        assert answers_normally(operation, outcome), (operation, outcome)
        effect = scene.has_taken_effect(operation)
        assert effect is None or effect, operation


def test_latency_before_the_operation_delays_its_effect(server, client):
    scene = Scene(client, "delayed-effect")
    server.faults("POST", {"operation": "SendMessage", "kind": "latency", "latency_ms": 600000})
    slow = Client(server.url, timeout_s=0.3)
    with pytest.raises(TimeoutError):
        slow.call("SendMessage", QueueUrl=scene.url, MessageBody="never")
    harness.wait_until(lambda: client.stats()["gone"] == 1, what="the client to be gone")
    assert not scene.has_taken_effect("SendMessage")


def test_operations_done_twice(server, client):
    """`duplicate`: a receive is repeated while in flight; whatever else is applied twice and answered once."""
    for operation in OPERATIONS:
        scene = Scene(client, f"duplicate-{operation}")
        outcome = call_under(server, client, scene, operation, {"kind": "duplicate"})
        assert answers_normally(operation, outcome), (operation, outcome)
        effect = scene.has_taken_effect(operation)
        assert effect is None or effect, operation
        if operation in ("SendMessage", "SendMessageBatch"):
            assert client.counts(scene.url) == (3, 1, 0)
        if operation == "ReceiveMessage":
            (first,) = outcome["Messages"]
            assert client.counts(scene.url) == (0, 2, 0)
            (again,) = client.call("ReceiveMessage", QueueUrl=scene.url, MaxNumberOfMessages=10,
                                   MessageSystemAttributeNames=["All"])["Messages"]
            assert again["MessageId"] == first["MessageId"] and again["ReceiptHandle"] != first["ReceiptHandle"]
            assert again["Attributes"]["ApproximateReceiveCount"] == "2"
            assert client.counts(scene.url) == (0, 2, 0)
            assert "Messages" not in client.call("ReceiveMessage", QueueUrl=scene.url)
            client.call("DeleteMessage", QueueUrl=scene.url, ReceiptHandle=first["ReceiptHandle"])
            assert client.counts(scene.url) == (0, 2, 0)
            client.call("DeleteMessage", QueueUrl=scene.url, ReceiptHandle=again["ReceiptHandle"])
            assert client.counts(scene.url) == (0, 1, 0)
            assert client.stats()["queues"][scene.name]["duplicates"] == 1


def test_entries_that_fail(server, client):
    """`entry_error`: entries of a batch fail one by one; a single operation fails whole."""
    for operation in OPERATIONS:
        scene = Scene(client, f"entry-{operation}")
        rule = {"kind": "entry_error", "entry_probability": 1, "code": "InternalFailure", "message": "half"}
        outcome = call_under(server, client, scene, operation, rule)
        if operation in BATCHES:
            assert "Successful" not in outcome or outcome["Successful"] == []
            (entry,) = outcome["Failed"]
            assert entry == {"Id": "a", "SenderFault": False, "Code": "InternalFailure", "Message": "half"}
        else:
            assert isinstance(outcome, SqsError) and outcome.status == 500 and outcome.message == "half"
        assert not scene.has_taken_effect(operation)


def test_half_of_the_entries_fail_and_the_others_do_not(server, client):
    url = server.queue_url("q")
    server.faults("POST", {"operation": "SendMessageBatch", "kind": "entry_error", "seed": 3})
    failed = sent = 0
    for _ in range(40):
        reply = client.call("SendMessageBatch", QueueUrl=url,
                            Entries=[{"Id": str(i), "MessageBody": "m"} for i in range(10)])
        ids = [e["Id"] for e in reply["Successful"]] + [e["Id"] for e in reply.get("Failed", [])]
        assert sorted(ids) == [str(i) for i in range(10)]
        failed += len(reply.get("Failed", []))
        sent += len(reply["Successful"])
    assert 120 < failed < 280
    assert client.counts(url) == (sent, 0, 0)


@pytest.mark.parametrize("kind", ["stale_counts", "noisy_counts"])
def test_counts_that_lie(server, client, kind):
    """Whichever operation the fault falls on: the counts reported afterwards are those before it, or jitter."""
    for operation in OPERATIONS:
        scene = Scene(client, f"{kind}-{operation}")
        before = client.counts(scene.url)
        outcome = call_under_kept(server, client, scene, operation, {"kind": kind, "noise": 1, "seed": 5, "count": 1})
        assert answers_normally(operation, outcome), (operation, outcome)
        if operation != "DeleteQueue":
            client.call("SendMessageBatch", QueueUrl=scene.url,
                        Entries=[{"Id": str(i), "MessageBody": "m"} for i in range(10)])
            reported = [client.counts(scene.url) for _ in range(20)]
            real = client.stats()["queues"][scene.name]
            real = (real["visible"], real["in_flight"], real["delayed"])
            if kind == "stale_counts":
                assert set(reported) == {before} and real != before
            else:
                assert len(set(reported)) > 3 and all(abs(r[0] - real[0]) <= real[0] + 1 for r in reported)
            server.faults("DELETE")
            assert client.counts(scene.url) == real
        server.faults("DELETE")


def call_under_kept(server, client, scene, operation, rule):
    server.faults("POST", {"operation": operation, **rule})
    try:
        outcome = client.call(operation, **scene.members(operation))
    except SqsError as e:
        outcome = e
    (shown,) = server.faults()["rules"]
    assert shown["fired"] == {operation: 1}, (operation, rule, shown)
    return outcome


def test_stale_counts_recover_by_themselves(localaws):
    server = localaws(speed=20, args=("--create-queue", "q"))
    client = Client(server.url)
    url = server.queue_url("q")
    server.faults("POST", {"operation": "SendMessage", "kind": "stale_counts", "count": 1, "hold_ms": 20000})
    client.call("SendMessage", QueueUrl=url, MessageBody="m")
    assert client.counts(url) == (0, 0, 0)
    harness.wait_until(lambda: client.counts(url) == (1, 0, 0), what="counts to recover")


def test_the_table_is_whole(server):
    """The kinds and operations above are all that the server knows: it says so when asked for others."""
    for rule, known in (({"operation": "*", "kind": "?"}, KINDS), ({"operation": "?", "kind": "error"}, [])):
        raw = Raw(server.url)
        body = json.dumps(rule)
        raw.send(f"POST /_localaws/faults HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n{body}")
        status, _, answer = raw.reply()
        assert status == 400
        for kind in known:
            assert kind in json.loads(answer)["message"]
        raw.close()
    for operation in OPERATIONS:
        server.faults("POST", {"operation": operation, "kind": "error", "count": 0})
    assert [r["operation"] for r in server.faults()["rules"]] == OPERATIONS


def test_injected_errors_have_the_shape_asked_for(server, client):
    url = server.queue_url("q")
    for rule, status, kind, query in [
        ({"code": "OverLimit"}, 403, "OverLimit", "OverLimit;Sender"),
        ({"code": "AWS.SimpleQueueService.NonExistentQueue"}, 400, "QueueDoesNotExist",
         "AWS.SimpleQueueService.NonExistentQueue;Sender"),
        ({"code": "ServiceUnavailable", "status": 503}, 503, "ServiceUnavailable", "ServiceUnavailable;Receiver"),
        ({"kind": "throttle", "code": "ThrottlingException"}, 400, "ThrottlingException", "ThrottlingException;Sender"),
        ({"status": 502}, 502, "InternalFailure", "InternalFailure;Receiver"),
    ]:
        server.faults("POST", {"operation": "SendMessage", "kind": "error", "message": "told so", **rule})
        with pytest.raises(SqsError) as e:
            client.call("SendMessage", QueueUrl=url, MessageBody="m")
        assert (e.value.status, e.value.type, e.value.message) == (status, kind, "told so")
        assert e.value.headers["x-amzn-query-error"] == query
        server.faults("DELETE")
    server.faults("POST", {"operation": "*", "kind": "error", "code": "OverLimit", "count": 1})
    form = f"Action=SendMessage&MessageBody=x&QueueUrl={url}".encode()
    status, _, body = client.post(form, {"Content-Type": "application/x-www-form-urlencoded"})
    assert status == 403 and b"<Code>OverLimit</Code>" in body and b"<Type>Sender</Type>" in body


def test_faults_on_a_long_poll_strike_when_it_ends(server, client):
    url = server.queue_url("q")
    server.faults("POST", [{"operation": "ReceiveMessage", "kind": "truncate", "count": 1}])
    raw = Raw(server.url)
    unsigned = json_request(raw.netloc, "ReceiveMessage", {"QueueUrl": url, "WaitTimeSeconds": 20})
    raw.send(unsigned)
    assert raw.reply()[0] == 403  # signatures are checked before faults: it does not count
    assert server.faults()["rules"][0]["fired_total"] == 0
    raw.close()
    waiting = Client(server.url, timeout_s=30)
    outcome = []

    def poll():
        try:
            outcome.append(waiting.call("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20))
        except (http.client.HTTPException, OSError) as e:
            outcome.append(e)

    thread = threading.Thread(target=poll)
    thread.start()
    harness.wait_until(lambda: client.stats()["queues"]["q"]["waiting_receives"] == 1, what="the long poll")
    client.call("SendMessage", QueueUrl=url, MessageBody="m")
    thread.join(30)
    assert isinstance(outcome[0], http.client.IncompleteRead)
    assert client.counts(url) == (0, 1, 0)
