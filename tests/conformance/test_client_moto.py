"""Our SQS client against moto's server: every operation of aws/sqs.h, partial failures, and signatures that moto checks.

moto is somebody else's reading of the protocol; boto3 looks at the same queues from the other side.
"""

import json
import re
import subprocess
import sys

import boto3
import botocore.config
import pytest

import harness

DRIVER = harness.BIN.parent / "tests" / "sqs_driver"
ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


class Driver:
    """The C driver: one operation a line, one answer a line."""

    def __init__(self, env, program=DRIVER):
        self.process = subprocess.Popen([str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True)

    def __call__(self, op, **arguments):
        self.process.stdin.write(json.dumps({"op": op, **arguments}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the driver ended"
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        code = self.process.wait(30)
        self.process.stdout.close()
        assert code == 0


def start_moto(spawn, name, arguments=(), **settings):
    """moto's server on a port of its choice; returns its URL."""
    env = harness.environment(**settings)
    argv = ["-H", "127.0.0.1", "-p", "0", *map(str, arguments)]
    server = spawn([sys.executable, "-c", f"from moto.server import main; main({argv!r})"], env, name=name)

    def listening():
        assert server.alive(), server.stderr()
        found = re.search(r"Running on (https?://127\.0\.0\.1:\d+)", server.stderr() + server.stdout())
        return found.group(1) if found else None

    return harness.wait_until(listening, timeout_s=60, what="moto to listen")


def boto(service, url, key=ID, secret=SECRET):
    return boto3.client(service, endpoint_url=url, region_name=harness.REGION, aws_access_key_id=key,
                        aws_secret_access_key=secret,
                        config=botocore.config.Config(retries={"total_max_attempts": 1}))


@pytest.fixture
def moto(spawn):
    return start_moto(spawn, "moto")


@pytest.fixture
def client(moto):
    driver = Driver(harness.environment(endpoint=moto))
    yield driver
    driver.close()


@pytest.fixture
def queue(client):
    answer = client("CreateQueue", name="orders", attributes={"VisibilityTimeout": "40"})
    assert answer["kind"] == "ok", answer
    return answer["value"]


def test_queues_are_created_found_set_and_deleted(client, moto):
    sqs = boto("sqs", moto)
    created = client("CreateQueue", name="orders", attributes={"VisibilityTimeout": "40", "DelaySeconds": "0"})
    assert created["kind"] == "ok" and created["status"] == 200 and created["request_id"]
    assert client("GetQueueUrl", name="orders")["value"] == created["value"]
    assert sqs.get_queue_url(QueueName="orders")["QueueUrl"] == created["value"]
    dead = client("CreateQueue", name="orders-dlq")["value"]
    arn = client("GetQueueAttributes", queue=dead, all=True)["queue_arn"]
    assert arn == f"arn:aws:sqs:{harness.REGION}:123456789012:orders-dlq"
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 7})
    done = client("SetQueueAttributes", queue=created["value"],
                  attributes={"RedrivePolicy": policy, "MessageRetentionPeriod": "3600"})
    assert done["kind"] == "ok", done
    seen = client("GetQueueAttributes", queue=created["value"], all=True)
    assert (seen["visibility_timeout_s"], seen["retention_s"]) == (40, 3600)
    assert (seen["redrive_target_arn"], seen["max_receive_count"]) == (arn, 7)
    assert (seen["visible"], seen["in_flight"], seen["delayed"]) == (0, 0, 0)
    assert client("DeleteQueue", queue=created["value"])["kind"] == "ok"
    assert client("GetQueueUrl", name="orders")["kind"] == "not found"


def test_a_message_travels_both_ways_unchanged(client, queue, moto):
    sqs = boto("sqs", moto)
    body = 'h\u00e9llo "quoted" \\ \t\r\n \U0001f600 \u20ac </tag> &amp; \u007f'
    attributes = {"Text": ["String.custom", "v\u00e9"], "Count": ["Number", "12.5"], "Raw": ["Binary", "bytes"]}
    sent = client("SendMessage", queue=queue, body=body, attributes=attributes)
    assert sent["kind"] == "ok" and sent["value"]
    got = sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"], VisibilityTimeout=0)["Messages"][0]
    assert got["Body"] == body and got["MessageId"] == sent["value"]
    assert got["MessageAttributes"]["Raw"]["BinaryValue"] == b"bytes"
    assert got["MessageAttributes"]["Text"] == {"DataType": "String.custom", "StringValue": "v\u00e9"}
    ours = client("ReceiveMessage", queue=queue, all=True)
    assert ours["bad_md5"] == 0
    (message,) = ours["messages"]
    assert message["body"] == body and message["id"] == sent["value"]
    assert message["receive_count"] == 2 and message["sent_ms"] > 1_600_000_000_000
    assert {a["name"]: [a["type"], a["value"]] for a in message["attributes"]} == attributes
    assert client("DeleteMessage", queue=queue, handle=message["receipt_handle"])["kind"] == "ok"
    assert client("GetQueueAttributes", queue=queue)["in_flight"] == 0


def test_attributes_come_only_when_asked_for(client, queue):
    assert client("SendMessage", queue=queue, body="x", attributes={"a": ["String", "b"]})["kind"] == "ok"
    (message,) = client("ReceiveMessage", queue=queue)["messages"]
    assert message["attributes"] == [] and message["receive_count"] == 1


def test_a_batch_is_sent_received_and_deleted(client, queue):
    bodies = [f"order {i}" for i in range(10)]
    entries = [{"body": body, "attributes": {"n": ["Number", str(i)]}} for i, body in enumerate(bodies)]
    sent = client("SendMessageBatch", queue=queue, entries=entries)
    assert [e["outcome"] for e in sent["entries"]] == ["ok"] * 10
    assert len({e["message_id"] for e in sent["entries"]}) == 10
    assert client("GetQueueAttributes", queue=queue)["visible"] == 10
    got = client("ReceiveMessage", queue=queue, max=10, wait_s=1, visibility_s=30)
    assert sorted(m["body"] for m in got["messages"]) == bodies
    counts = client("GetQueueAttributes", queue=queue)
    assert (counts["visible"], counts["in_flight"]) == (0, 10)
    deleted = client("DeleteMessageBatch", queue=queue, handles=[m["receipt_handle"] for m in got["messages"]])
    assert [e["outcome"] for e in deleted["entries"]] == ["ok"] * 10
    counts = client("GetQueueAttributes", queue=queue)
    assert (counts["visible"], counts["in_flight"], counts["delayed"]) == (0, 0, 0)


def test_delayed_messages_count_as_delayed(client, queue):
    assert client("SendMessageBatch", queue=queue, entries=[{"body": "later", "delay_s": 900}])["kind"] == "ok"
    counts = client("GetQueueAttributes", queue=queue)
    assert (counts["visible"], counts["in_flight"], counts["delayed"]) == (0, 0, 1)


def test_a_fifo_queue_tells_group_and_sequence(client):
    created = client("CreateQueue", name="orders.fifo",
                     attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"})
    queue = created["value"]
    entries = [{"body": "one", "group_id": "a", "deduplication_id": "d-1"},
               {"body": "two", "group_id": "b", "deduplication_id": "d-2"}]
    sent = client("SendMessageBatch", queue=queue, entries=entries)
    assert [e["outcome"] for e in sent["entries"]] == ["ok", "ok"]
    got = client("ReceiveMessage", queue=queue, system=3, attempt_id="try-1")["messages"]
    assert [(m["body"], m["group_id"]) for m in got] == [("one", "a"), ("two", "b")]
    assert got[0]["deduplication_id"] == "d-1"
    # moto draws them at random: they need not rise, as SQS's own do.
    assert int(got[0]["sequence_number"]) != int(got[1]["sequence_number"])
    assert got[0]["sender_id"] and got[0]["first_receive_ms"] > 1_600_000_000_000


def test_an_empty_queue_gives_no_messages(client, queue):
    answer = client("ReceiveMessage", queue=queue, wait_s=1)
    assert answer["kind"] == "ok" and answer["messages"] == []


def test_every_entry_of_a_batch_that_fails_in_part_has_its_own_fate(client, queue):
    client("SendMessageBatch", queue=queue, entries=[{"body": "a"}, {"body": "b"}])
    handles = [m["receipt_handle"] for m in client("ReceiveMessage", queue=queue)["messages"]]
    changed = client("ChangeMessageVisibilityBatch", queue=queue, handles=[handles[0], "nonsense", handles[1]],
                     visibility_s=60)
    assert changed["kind"] == "ok"
    assert [e["outcome"] for e in changed["entries"]] == ["ok", "failed", "ok"]
    assert changed["entries"][1]["code"]
    deleted = client("DeleteMessageBatch", queue=queue, handles=["nonsense", handles[0], handles[1]])
    assert [e["outcome"] for e in deleted["entries"]] == ["failed", "ok", "ok"]
    assert deleted["entries"][0]["code"] == "ReceiptHandleIsInvalid"


def test_visibility_zero_gives_a_message_back(client, queue):
    client("SendMessage", queue=queue, body="again")
    (message,) = client("ReceiveMessage", queue=queue)["messages"]
    assert client("ReceiveMessage", queue=queue)["messages"] == []
    handle = message["receipt_handle"]
    assert client("ChangeMessageVisibility", queue=queue, handle=handle, visibility_s=0)["kind"] == "ok"
    (again,) = client("ReceiveMessage", queue=queue)["messages"]
    assert again["id"] == message["id"] and again["receive_count"] == 2


def test_a_purge_empties_the_queue(client, queue):
    client("SendMessage", queue=queue, body="x")
    assert client("PurgeQueue", queue=queue)["kind"] == "ok"
    assert client("GetQueueAttributes", queue=queue)["visible"] == 0


@pytest.mark.parametrize("op, more", [
    ("GetQueueAttributes", {}), ("SetQueueAttributes", {"attributes": {"DelaySeconds": "1"}}), ("PurgeQueue", {}),
    ("SendMessage", {"body": "x"}), ("SendMessageBatch", {"entries": [{"body": "x"}]}), ("ReceiveMessage", {}),
    ("DeleteMessage", {"handle": "x"}), ("DeleteMessageBatch", {"handles": ["x"]}),
    ("ChangeMessageVisibility", {"handle": "x"}), ("ChangeMessageVisibilityBatch", {"handles": ["x"]})])
def test_an_unknown_queue_is_not_found(client, moto, op, more):
    answer = client(op, queue=f"{moto}/123456789012/nowhere", **more)
    assert answer["kind"] == "not found", answer
    assert answer["code"] == "QueueDoesNotExist"
    assert answer["query_code"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert answer["attempts"] == 1
    assert [e["outcome"] for e in answer.get("entries", [])] == ["failed"] * len(answer.get("entries", []))


def test_a_bad_value_is_the_requests_fault(client, queue):
    answer = client("CreateQueue", name="orders", attributes={"VisibilityTimeout": "41"})
    assert (answer["kind"], answer["attempts"]) == ("bad request", 1), answer
    assert answer["code"] in ("QueueNameExists", "QueueAlreadyExists") and answer["message"], answer


def test_the_queue_url_decides_without_an_endpoint_setting(moto, client, queue):
    """Without AWS_ENDPOINT_URL calls go to the origin of the queue URL."""
    direct = Driver(harness.environment())
    try:
        assert direct("SendMessage", queue=queue, body="direct")["kind"] == "ok"
        assert client("GetQueueAttributes", queue=queue)["visible"] == 1
    finally:
        direct.close()


def test_keys_come_from_profile_files(moto, tmp_path):
    (tmp_path / "config").write_text(f"[profile dev]\nregion = {harness.REGION}\nservices = local\n"
                                     f"[services local]\nsqs =\n  endpoint_url = {moto}\n")
    (tmp_path / "credentials").write_text(f"[dev]\naws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\n")
    driver = Driver(harness.environment(AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None, AWS_REGION=None,
                                        AWS_DEFAULT_REGION=None, AWS_PROFILE="dev",
                                        AWS_CONFIG_FILE=tmp_path / "config",
                                        AWS_SHARED_CREDENTIALS_FILE=tmp_path / "credentials"))
    try:
        answer = driver("CreateQueue", name="from-profile")
        assert answer["kind"] == "ok" and answer["value"].startswith(moto), answer
    finally:
        driver.close()


# ---- signatures and policies that moto checks ----

ALLOWED = ["sqs:CreateQueue", "sqs:SendMessage", "sqs:ReceiveMessage", "sqs:GetQueueAttributes"]


@pytest.fixture
def guarded(spawn):
    """A moto that checks signatures and policies once the user is made (three calls go free)."""
    url = start_moto(spawn, "moto-iam", INITIAL_NO_AUTH_ACTION_COUNT=3)
    iam = boto("iam", url)
    iam.create_user(UserName="sluice")
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ALLOWED, "Resource": "*"}]}
    iam.put_user_policy(UserName="sluice", PolicyName="sqs", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="sluice")["AccessKey"]
    return url, key["AccessKeyId"], key["SecretAccessKey"]


def run_once(url, key, secret, op, **arguments):
    driver = Driver(harness.environment(endpoint=url, AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret))
    try:
        return driver(op, **arguments)
    finally:
        driver.close()


def test_our_signature_is_accepted(guarded):
    url, key, secret = guarded
    created = run_once(url, key, secret, "CreateQueue", name="orders")
    assert created["kind"] == "ok", created
    sent = run_once(url, key, secret, "SendMessage", queue=created["value"], body="signed \u00e9")
    assert sent["kind"] == "ok", sent


def test_a_wrong_secret_is_refused(guarded):
    url, key, secret = guarded
    answer = run_once(url, key, secret[:-1] + ("A" if secret[-1] != "A" else "B"), "CreateQueue", name="orders")
    assert (answer["kind"], answer["status"], answer["code"]) == ("credentials", 403, "SignatureDoesNotMatch"), answer


def test_an_unknown_key_is_refused(guarded):
    url, _, secret = guarded
    answer = run_once(url, "AKIAUNKNOWNUNKNOWN00", secret, "CreateQueue", name="orders")
    assert (answer["kind"], answer["status"], answer["code"]) == ("credentials", 403, "InvalidClientTokenId"), answer


def test_an_action_outside_the_policy_is_denied(guarded):
    url, key, secret = guarded
    created = run_once(url, key, secret, "CreateQueue", name="orders")
    answer = run_once(url, key, secret, "PurgeQueue", queue=created["value"])
    assert (answer["kind"], answer["status"], answer["code"]) == ("denied", 403, "AccessDenied"), answer
    assert "sqs:PurgeQueue" in answer["message"]


# ---- TLS ----


def make_certificate(folder, name, alternative):
    """A self-signed certificate; returns the paths of certificate and key."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=sluice-test",
                    "-addext", f"subjectAltName={alternative}", "-out", certificate, "-keyout", key],
                   check=True, capture_output=True)
    return certificate, key


def create_over_tls(url, **settings):
    driver = Driver(harness.environment(endpoint=url, AWS_MAX_ATTEMPTS=1, **settings))
    try:
        return driver("CreateQueue", name="over-tls")
    finally:
        driver.close()


def test_tls_is_verified_against_the_given_bundle_or_folder(spawn, tmp_path):
    certificate, key = make_certificate(tmp_path, "right", "IP:127.0.0.1")
    stranger, _ = make_certificate(tmp_path, "stranger", "IP:127.0.0.1")
    folder = tmp_path / "hashed"
    folder.mkdir()
    (folder / "right.pem").write_bytes(certificate.read_bytes())
    subprocess.run(["openssl", "rehash", folder], check=True, capture_output=True)
    url = start_moto(spawn, "moto-tls", ["-c", certificate, "-k", key])
    assert url.startswith("https://")
    for trusted in (certificate, folder):
        answer = create_over_tls(url, AWS_CA_BUNDLE=trusted)
        assert answer["kind"] == "ok", (trusted, answer)
    for bundle in (None, stranger, tmp_path / "absent.pem"):
        answer = create_over_tls(url, AWS_CA_BUNDLE=bundle)
        assert (answer["kind"], answer["code"], answer["status"]) == ("transient", "TlsFailed", 0), (bundle, answer)


def test_tls_wants_the_name_of_the_host(spawn, tmp_path):
    certificate, key = make_certificate(tmp_path, "other", "DNS:sqs.us-east-1.amazonaws.com")
    url = start_moto(spawn, "moto-tls", ["-c", certificate, "-k", key])
    answer = create_over_tls(url, AWS_CA_BUNDLE=certificate)
    assert (answer["kind"], answer["code"]) == ("transient", "TlsFailed"), answer
