"""sluice-localaws under the AWS CLI: the scenarios of localaws_boto3.py, as far as a shell would play them."""
import hashlib
import json
import subprocess
import threading
import urllib.request

import pytest

import harness

AWS = harness.TOOLS / "venv/bin/aws"


class CliError(Exception):
    pass


class Cli:
    def __init__(self, server, **env):
        self.server = server
        self.env = harness.environment(AWS_MAX_ATTEMPTS=1, AWS_PAGER="", **env)

    def __call__(self, command, **options):
        argv = [str(AWS), "--endpoint-url", self.server.url, "sqs", command, "--output", "json"]
        for name, value in options.items():
            argv.append("--" + name.replace("_", "-"))
            argv += [v if isinstance(v, str) else json.dumps(v) for v in (value if isinstance(value, list) else [value])]
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise CliError(done.stderr.strip())
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def fails(self, says, command, **options):
        with pytest.raises(CliError, match=says):
            self(command, **options)


@pytest.fixture
def server(localaws):
    return localaws()


@pytest.fixture
def aws(server):
    return Cli(server)


def counts(aws, url):
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    got = aws("get-queue-attributes", queue_url=url, attribute_names=names)["Attributes"]
    return tuple(int(got[n]) for n in names)


def test_queues(aws, server):
    url = aws("create-queue", queue_name="q", attributes={"VisibilityTimeout": "45"}, tags={"team": "shop"})["QueueUrl"]
    assert url == server.queue_url("q")
    assert aws("get-queue-url", queue_name="q")["QueueUrl"] == url
    assert aws("list-queues")["QueueUrls"] == [url]
    aws("set-queue-attributes", queue_url=url, attributes={"DelaySeconds": "3"})
    got = aws("get-queue-attributes", queue_url=url, attribute_names=["All"])["Attributes"]
    assert got["DelaySeconds"] == "3" and got["VisibilityTimeout"] == "45"
    assert aws("list-queue-tags", queue_url=url)["Tags"] == {"team": "shop"}
    aws("delete-queue", queue_url=url)
    aws.fails("NonExistentQueue|QueueDoesNotExist", "get-queue-url", queue_name="q")
    aws.fails("QueueDeletedRecently", "create-queue", queue_name="q")


def test_messages(aws):
    url = aws("create-queue", queue_name="q")["QueueUrl"]
    attributes = {"City": {"DataType": "String", "StringValue": "Any City"},
                  "Population": {"DataType": "Number", "StringValue": "1250800"}}
    sent = aws("send-message", queue_url=url, message_body="<é>", message_attributes=attributes)
    assert sent["MD5OfMessageBody"] == hashlib.md5("<é>".encode()).hexdigest()
    (m,) = aws("receive-message", queue_url=url, message_system_attribute_names=["All"],
               message_attribute_names=["All"])["Messages"]
    assert m["Body"] == "<é>" and m["MessageAttributes"] == attributes
    assert m["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert m["Attributes"]["ApproximateReceiveCount"] == "1"
    aws("change-message-visibility", queue_url=url, receipt_handle=m["ReceiptHandle"], visibility_timeout="0")
    (again,) = aws("receive-message", queue_url=url)["Messages"]
    aws("delete-message", queue_url=url, receipt_handle=m["ReceiptHandle"])
    assert counts(aws, url) == (0, 1)
    aws("delete-message", queue_url=url, receipt_handle=again["ReceiptHandle"])
    assert counts(aws, url) == (0, 0)


def test_batches_with_partial_failure(aws):
    url = aws("create-queue", queue_name="q", attributes={"MaximumMessageSize": "1024"})["QueueUrl"]
    reply = aws("send-message-batch", queue_url=url,
                entries=[{"Id": "a", "MessageBody": "m"}, {"Id": "b", "MessageBody": "x" * 1025}])
    assert [e["Id"] for e in reply["Successful"]] == ["a"]
    assert [(e["Id"], e["Code"]) for e in reply["Failed"]] == [("b", "InvalidParameterValue")]
    (m,) = aws("receive-message", queue_url=url)["Messages"]
    reply = aws("delete-message-batch", queue_url=url, entries=[{"Id": "a", "ReceiptHandle": m["ReceiptHandle"]},
                                                               {"Id": "b", "ReceiptHandle": "garbage"}])
    assert [e["Id"] for e in reply["Successful"]] == ["a"]
    assert [(e["Id"], e["Code"]) for e in reply["Failed"]] == [("b", "ReceiptHandleIsInvalid")]


def test_a_long_poll_is_woken(aws, server):
    url = aws("create-queue", queue_name="q")["QueueUrl"]
    received = []
    thread = threading.Thread(target=lambda: received.extend(
        aws("receive-message", queue_url=url, wait_time_seconds="20")["Messages"]))
    thread.start()

    def waiting():
        stats = json.load(urllib.request.urlopen(f"{server.url}/_localaws/stats"))
        return stats["queues"]["q"]["waiting_receives"] == 1

    harness.wait_until(waiting, what="the long poll")
    aws("send-message", queue_url=url, message_body="m")
    thread.join(60)
    assert [m["Body"] for m in received] == ["m"]


def test_dead_letters(aws):
    dead = aws("create-queue", queue_name="dead")["QueueUrl"]
    arn = aws("get-queue-attributes", queue_url=dead, attribute_names=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    url = aws("create-queue", queue_name="q", attributes={"RedrivePolicy": policy})["QueueUrl"]
    assert aws("list-dead-letter-source-queues", queue_url=dead)["queueUrls"] == [url]
    aws("send-message", queue_url=url, message_body="poison")
    assert aws("receive-message", queue_url=url, visibility_timeout="0")["Messages"]
    assert aws("receive-message", queue_url=url) == {}
    (m,) = aws("receive-message", queue_url=dead, message_system_attribute_names=["All"])["Messages"]
    assert m["Body"] == "poison" and m["Attributes"]["DeadLetterQueueSourceArn"].endswith(":q")


def test_purge(aws):
    url = aws("create-queue", queue_name="q")["QueueUrl"]
    aws("send-message", queue_url=url, message_body="m")
    aws("purge-queue", queue_url=url)
    assert counts(aws, url) == (0, 0)
    aws.fails("PurgeQueueInProgress", "purge-queue", queue_url=url)


def test_errors(aws):
    url = aws("create-queue", queue_name="q")["QueueUrl"]
    aws.fails("NonExistentQueue|QueueDoesNotExist", "send-message", queue_url=url + "x", message_body="m")
    aws.fails("ReceiptHandleIsInvalid", "delete-message", queue_url=url, receipt_handle="garbage")
    aws.fails("TooManyEntriesInBatchRequest", "delete-message-batch", queue_url=url,
              entries=[{"Id": str(i), "ReceiptHandle": "r"} for i in range(11)])
    aws.fails("BatchEntryIdsNotDistinct", "delete-message-batch", queue_url=url,
              entries=[{"Id": "a", "ReceiptHandle": "r"}] * 2)
    aws.fails("InvalidParameterValue", "receive-message", queue_url=url, wait_time_seconds="21")
    aws.fails("InvalidAttributeName", "get-queue-attributes", queue_url=url, attribute_names=["Nonsense"])
    aws.fails("InvalidParameterValue", "create-queue", queue_name="a.fifo")


def test_a_fifo_queue_keeps_order(server):
    aws = Cli(server)
    url = aws("create-queue", queue_name="a.fifo",
              attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"})["QueueUrl"]
    first = aws("send-message", queue_url=url, message_body="one", message_group_id="g")
    aws("send-message", queue_url=url, message_body="two", message_group_id="g")
    assert aws("send-message", queue_url=url, message_body="one", message_group_id="g") == first
    got = aws("receive-message", queue_url=url, max_number_of_messages="10", attribute_names=["All"])["Messages"]
    assert [m["Body"] for m in got] == ["one", "two"]
    assert got[0]["Attributes"]["SequenceNumber"] == first["SequenceNumber"]


def test_a_wrong_secret_is_refused(server):
    Cli(server, AWS_SECRET_ACCESS_KEY="wrong").fails("SignatureDoesNotMatch", "list-queues")
    Cli(server, AWS_ACCESS_KEY_ID="AKIDOTHER").fails("InvalidClientTokenId", "list-queues")
