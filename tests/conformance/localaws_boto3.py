"""Scenarios of a boto3 client against sluice-localaws; runs under any boto3, whichever protocol it speaks.

    python localaws_boto3.py URL SCENARIO      ends with 0 when all assertions held; prints boto3's version

Kept apart from pytest because Debian's boto3 belongs to /usr/bin/python3, which need not have pytest.
"""
import hashlib
import json
import sys
import threading
import time
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

URL = sys.argv[1]


def new_client(**changes):
    return boto3.client("sqs", endpoint_url=URL, config=Config(retries={"max_attempts": 0}), **changes)


sqs = new_client()


def raises(name, call, **arguments):
    """The call fails with the modelled exception `name`; returns its error."""
    try:
        call(**arguments)
    except getattr(sqs.exceptions, name) as e:
        return e.response["Error"]
    except ClientError as e:
        raise AssertionError(f"{type(e).__name__} instead of {name}: {e}") from e
    raise AssertionError(f"no {name}")


def fails(code, call, **arguments):
    """The call fails with this error code, which has no class of its own in the model."""
    try:
        call(**arguments)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e
        return e
    raise AssertionError(f"no {code}")


def create(name, **attributes):
    return sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


def one(url, **arguments):
    (message,) = sqs.receive_message(QueueUrl=url, **arguments)["Messages"]
    return message


def counts(url):
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    got = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return tuple(int(got[n]) for n in names)


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def scenario_queues():
    url = create("first", VisibilityTimeout="45")
    assert url == f"{URL}/123456789012/first"
    assert create("first", VisibilityTimeout="45") == url
    assert raises("QueueNameExists", sqs.create_queue, QueueName="first", Attributes={"VisibilityTimeout": "46"})
    second = create("second")
    assert sqs.get_queue_url(QueueName="second")["QueueUrl"] == second
    assert sqs.list_queues()["QueueUrls"] == [url, second]
    assert sqs.list_queues(QueueNamePrefix="s")["QueueUrls"] == [second]
    page = sqs.list_queues(MaxResults=1)
    assert page["QueueUrls"] == [url]
    assert sqs.list_queues(MaxResults=1, NextToken=page["NextToken"])["QueueUrls"] == [second]
    assert sqs.list_queues(QueueNamePrefix="none").get("QueueUrls", []) == []

    sqs.set_queue_attributes(QueueUrl=second, Attributes={"DelaySeconds": "3", "MessageRetentionPeriod": "120"})
    got = sqs.get_queue_attributes(QueueUrl=second, AttributeNames=["All"])["Attributes"]
    assert got["DelaySeconds"] == "3" and got["MessageRetentionPeriod"] == "120"
    assert got["QueueArn"] == "arn:aws:sqs:us-east-1:123456789012:second"
    assert abs(int(got["CreatedTimestamp"]) - time.time()) < 3600
    few = sqs.get_queue_attributes(QueueUrl=second, AttributeNames=["DelaySeconds", "QueueArn"])["Attributes"]
    assert sorted(few) == ["DelaySeconds", "QueueArn"]
    assert "Attributes" not in sqs.get_queue_attributes(QueueUrl=second)

    sqs.tag_queue(QueueUrl=second, Tags={"team": "shop", "stage": "test"})
    assert sqs.list_queue_tags(QueueUrl=second)["Tags"] == {"team": "shop", "stage": "test"}
    sqs.untag_queue(QueueUrl=second, TagKeys=["team"])
    assert sqs.list_queue_tags(QueueUrl=second)["Tags"] == {"stage": "test"}

    sqs.delete_queue(QueueUrl=second)
    raises("QueueDoesNotExist", sqs.get_queue_url, QueueName="second")
    raises("QueueDeletedRecently", sqs.create_queue, QueueName="second")


def scenario_messages():
    url = create("messages")
    body = 'an "order" <with> & é 😀 \t\n\r of all kinds'
    attributes = {"City": {"DataType": "String", "StringValue": "Any City"},
                  "Greeting": {"DataType": "Binary", "BinaryValue": b"Hello, World!"},
                  "Population": {"DataType": "Number", "StringValue": "1250800"},
                  "order.id": {"DataType": "String.custom", "StringValue": "x"}}
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
    sent = sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes, MessageSystemAttributes=trace)
    assert sent["MD5OfMessageBody"] == md5(body) and len(sent["MD5OfMessageSystemAttributes"]) == 32

    before = time.time()
    m = one(url, AttributeNames=["All"], MessageAttributeNames=["All"], VisibilityTimeout=0)
    assert m["Body"] == body and m["MessageId"] == sent["MessageId"] and m["MD5OfBody"] == md5(body)
    assert m["MessageAttributes"] == attributes
    assert m["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert m["Attributes"]["ApproximateReceiveCount"] == "1"
    assert m["Attributes"]["AWSTraceHeader"] == trace["AWSTraceHeader"]["StringValue"]
    assert abs(int(m["Attributes"]["SentTimestamp"]) / 1000 - before) < 60

    m = one(url, MessageAttributeNames=["Greeting", "order.*"], AttributeNames=["SentTimestamp"], VisibilityTimeout=0)
    assert sorted(m["MessageAttributes"]) == ["Greeting", "order.id"]
    assert sorted(m["Attributes"]) == ["SentTimestamp"]
    m = one(url, VisibilityTimeout=0)
    assert "MessageAttributes" not in m and "Attributes" not in m

    three = {k: attributes[k] for k in ("City", "Greeting", "Population")}
    sent = sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes=three)
    assert sent["MD5OfMessageAttributes"] == "28eb0e573cf8e8a77e349a2f968eac4a"

    for m in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"])
        sqs.delete_message(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"])
    assert counts(url) == (0, 0)
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    large = "x" * 1048576
    sqs.send_message(QueueUrl=url, MessageBody=large)
    assert one(url)["Body"] == large
    delayed = sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=900)
    assert delayed["MessageId"] and "Messages" not in sqs.receive_message(QueueUrl=url)


def scenario_batches():
    url = create("batches", MaximumMessageSize="1024")
    reply = sqs.send_message_batch(QueueUrl=url, Entries=[
        {"Id": "good", "MessageBody": "a", "MessageAttributes": {"n": {"DataType": "Number", "StringValue": "1"}}},
        {"Id": "characters", "MessageBody": "b\x01"},
        {"Id": "size", "MessageBody": "c" * 1025},
        {"Id": "delay", "MessageBody": "d", "DelaySeconds": 901},
        {"Id": "also-good_2", "MessageBody": "e"}])
    assert [(e["Id"], e["MD5OfMessageBody"]) for e in reply["Successful"]] == [("good", md5("a")),
                                                                              ("also-good_2", md5("e"))]
    assert len(reply["Successful"][0]["MD5OfMessageAttributes"]) == 32
    assert [(e["Id"], e["Code"], e["SenderFault"]) for e in reply["Failed"]] == [
        ("characters", "InvalidMessageContents", True), ("size", "InvalidParameterValue", True),
        ("delay", "InvalidParameterValue", True)]

    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert sorted(m["Body"] for m in received) == ["a", "e"]
    handles = [m["ReceiptHandle"] for m in received]
    reply = sqs.change_message_visibility_batch(QueueUrl=url, Entries=[
        {"Id": "1", "ReceiptHandle": handles[0], "VisibilityTimeout": 0},
        {"Id": "2", "ReceiptHandle": handles[1], "VisibilityTimeout": 43200},
        {"Id": "3", "ReceiptHandle": "garbage", "VisibilityTimeout": 10}])
    assert [e["Id"] for e in reply["Successful"]] == ["1"]
    assert [(e["Id"], e["Code"]) for e in reply["Failed"]] == [("2", "InvalidParameterValue"),
                                                               ("3", "ReceiptHandleIsInvalid")]
    assert counts(url) == (1, 1)
    again = one(url)
    reply = sqs.delete_message_batch(QueueUrl=url, Entries=[
        {"Id": "old", "ReceiptHandle": handles[0]}, {"Id": "bad", "ReceiptHandle": "garbage"},
        {"Id": "other", "ReceiptHandle": handles[1]}])
    assert [e["Id"] for e in reply["Successful"]] == ["old", "other"]
    assert [(e["Id"], e["Code"], e["SenderFault"]) for e in reply["Failed"]] == [("bad", "ReceiptHandleIsInvalid", True)]
    assert counts(url) == (0, 1)  # the superseded handle deleted nothing
    reply = sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": "1", "ReceiptHandle": again["ReceiptHandle"]}])
    assert "Failed" not in reply and counts(url) == (0, 0)


def scenario_long_poll():
    url = create("polls")
    received = []
    poller = new_client()
    thread = threading.Thread(target=lambda: received.extend(
        poller.receive_message(QueueUrl=url, WaitTimeSeconds=20, MaxNumberOfMessages=10)["Messages"]))
    thread.start()
    deadline = time.monotonic() + 60
    while json.load(urllib.request.urlopen(f"{URL}/_localaws/stats"))["queues"]["polls"]["waiting_receives"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(i), "MessageBody": str(i)} for i in range(10)])
    thread.join(60)
    assert sorted(m["Body"] for m in received) == [str(i) for i in range(10)]
    assert "Messages" not in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)


def scenario_visibility():
    url = create("visibility", VisibilityTimeout="600")
    sqs.send_message(QueueUrl=url, MessageBody="m")
    first = one(url)
    assert counts(url) == (0, 1)
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0)
    assert counts(url) == (1, 0)
    raises("MessageNotInflight", sqs.change_message_visibility, QueueUrl=url, ReceiptHandle=first["ReceiptHandle"],
           VisibilityTimeout=10)
    second = one(url, AttributeNames=["ApproximateReceiveCount"])
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    assert counts(url) == (0, 1)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=second["ReceiptHandle"])
    assert counts(url) == (0, 0)


def scenario_dead_letters():
    dead = create("dead")
    dead_arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    url = create("source", RedrivePolicy=json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": "2"}))
    shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
    assert json.loads(shown) == {"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2}
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]
    sent = sqs.send_message(QueueUrl=url, MessageBody="poison")
    for _ in range(2):
        one(url, VisibilityTimeout=0)
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    m = one(dead, AttributeNames=["All"])
    assert m["MessageId"] == sent["MessageId"] and m["Attributes"]["ApproximateReceiveCount"] == "3"
    assert m["Attributes"]["DeadLetterQueueSourceArn"].endswith(":source")
    fails("InvalidParameterValue", sqs.set_queue_attributes, QueueUrl=url,
          Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead_arn + "x", "maxReceiveCount": 2})})


def scenario_purge():
    url = create("purged")
    sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(i), "MessageBody": "m"} for i in range(5)])
    one(url)
    sqs.purge_queue(QueueUrl=url)
    assert counts(url) == (0, 0)
    raises("PurgeQueueInProgress", sqs.purge_queue, QueueUrl=url)


def scenario_errors():
    url = create("errors")
    entry = {"Id": "1", "MessageBody": "m"}
    raises("QueueDoesNotExist", sqs.send_message, QueueUrl=url + "x", MessageBody="m")
    raises("QueueDoesNotExist", sqs.receive_message, QueueUrl=url.replace("123456789012", "210987654321"))
    raises("ReceiptHandleIsInvalid", sqs.delete_message, QueueUrl=url, ReceiptHandle="garbage")
    raises("InvalidMessageContents", sqs.send_message, QueueUrl=url, MessageBody="\x01")
    raises("EmptyBatchRequest", sqs.send_message_batch, QueueUrl=url, Entries=[])
    raises("TooManyEntriesInBatchRequest", sqs.send_message_batch, QueueUrl=url,
           Entries=[{"Id": str(i), "MessageBody": "m"} for i in range(11)])
    raises("BatchEntryIdsNotDistinct", sqs.send_message_batch, QueueUrl=url, Entries=[entry, entry])
    raises("InvalidBatchEntryId", sqs.send_message_batch, QueueUrl=url, Entries=[{"Id": "a b", "MessageBody": "m"}])
    raises("InvalidBatchEntryId", sqs.delete_message_batch, QueueUrl=url,
           Entries=[{"Id": "x" * 81, "ReceiptHandle": "r"}])
    raises("BatchRequestTooLong", sqs.send_message_batch, QueueUrl=url,
           Entries=[{"Id": str(i), "MessageBody": "m" * 600000} for i in range(2)])
    raises("InvalidAttributeName", sqs.get_queue_attributes, QueueUrl=url, AttributeNames=["Nonsense"])
    raises("InvalidAttributeName", sqs.set_queue_attributes, QueueUrl=url, Attributes={"Nonsense": "1"})
    fails("InvalidParameterValue", sqs.create_queue, QueueName="a.fifo")
    fails("InvalidParameterValue", sqs.create_queue, QueueName="a", Attributes={"FifoQueue": "true"})
    fails("InvalidParameterValue", sqs.send_message, QueueUrl=url, MessageBody="m", MessageDeduplicationId="d")
    fails("InvalidParameterValue", sqs.receive_message, QueueUrl=url, ReceiveRequestAttemptId="a")
    raises("UnsupportedOperation", sqs.add_permission, QueueUrl=url, Label="l", AWSAccountIds=["1"], Actions=["*"])
    for arguments in ({"WaitTimeSeconds": 21}, {"MaxNumberOfMessages": 11}, {"MaxNumberOfMessages": 0},
                      {"VisibilityTimeout": 43201}):
        fails("InvalidParameterValue", sqs.receive_message, QueueUrl=url, **arguments)
    fails("InvalidAttributeValue", sqs.set_queue_attributes, QueueUrl=url, Attributes={"DelaySeconds": "901"})
    fails("InvalidParameterValue", sqs.send_message, QueueUrl=url, MessageBody="x" * 1048577)
    rule = {"operation": "ReceiveMessage", "kind": "error", "code": "OverLimit", "count": 1}
    urllib.request.urlopen(f"{URL}/_localaws/faults", data=json.dumps(rule).encode()).read()
    raises("OverLimit", sqs.receive_message, QueueUrl=url)


def bodies(messages):
    return [m["Body"] for m in messages]


def take(url, **arguments):
    arguments = {"MaxNumberOfMessages": 10, "AttributeNames": ["All"], **arguments}
    return sqs.receive_message(QueueUrl=url, **arguments).get("Messages", [])


def scenario_fifo():
    url = create("orders.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert {k: shown[k] for k in ("FifoQueue", "ContentBasedDeduplication", "DeduplicationScope",
                                  "FifoThroughputLimit")} == {
        "FifoQueue": "true", "ContentBasedDeduplication": "true", "DeduplicationScope": "queue",
        "FifoThroughputLimit": "perQueue"}
    first = sqs.send_message(QueueUrl=url, MessageBody="a1", MessageGroupId="a",
                             MessageAttributes={"n": {"DataType": "Number", "StringValue": "1"}})
    again = sqs.send_message(QueueUrl=url, MessageBody="a1", MessageGroupId="a")  # of the body alone
    assert len(first["SequenceNumber"]) == 20
    assert (again["MessageId"], again["SequenceNumber"]) == (first["MessageId"], first["SequenceNumber"])
    entries = [{"Id": str(i), "MessageBody": body, "MessageGroupId": body[0], "MessageDeduplicationId": f"d{i}"}
               for i, body in enumerate(["a2", "b1", "a3", "b2"])] + [{"Id": "none", "MessageBody": "x"}]
    sent = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    numbers = [e["SequenceNumber"] for e in sent["Successful"]]
    assert numbers == sorted(numbers) and numbers[0] > first["SequenceNumber"] and len(numbers) == 4
    (failed,) = sent["Failed"]
    assert (failed["Id"], failed["Code"], failed["SenderFault"]) == ("none", "MissingParameter", True)

    one_two = take(url, MaxNumberOfMessages=2, ReceiveRequestAttemptId="try-1")
    assert bodies(one_two) == ["a1", "a2"]
    attributes = one_two[0]["Attributes"]
    assert attributes["MessageGroupId"] == "a" and attributes["SequenceNumber"] == first["SequenceNumber"]
    assert attributes["MessageDeduplicationId"] == hashlib.sha256(b"a1").hexdigest()
    same = take(url, MaxNumberOfMessages=2, ReceiveRequestAttemptId="try-1")
    assert [m["ReceiptHandle"] for m in same] == [m["ReceiptHandle"] for m in one_two]
    assert bodies(take(url)) == ["b1", "b2"]  # a3 waits for a1 and a2
    assert take(url) == []
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=one_two[0]["ReceiptHandle"], VisibilityTimeout=0)
    assert take(url) == []  # a2 still blocks the group
    error = fails("InvalidParameterValue", sqs.delete_message, QueueUrl=url, ReceiptHandle=one_two[0]["ReceiptHandle"])
    assert "The receipt handle has expired" in error.response["Error"]["Message"]
    both = sqs.delete_message_batch(QueueUrl=url, Entries=[
        {"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(one_two)])
    assert [e["Id"] for e in both["Successful"]] == ["1"]
    (failed,) = both["Failed"]
    assert (failed["Id"], failed["Code"], failed["Message"]) == ("0", "ReceiptHandleIsInvalid",
                                                                 "The receipt handle has expired")
    assert bodies(take(url)) == ["a1", "a3"]

    fails("MissingParameter", sqs.send_message, QueueUrl=url, MessageBody="m")
    fails("InvalidParameterValue", sqs.send_message, QueueUrl=url, MessageBody="m", MessageGroupId="a", DelaySeconds=1)
    fails("InvalidParameterValue", sqs.send_message, QueueUrl=url, MessageBody="m", MessageGroupId="a b")
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"ContentBasedDeduplication": "false"})
    fails("InvalidParameterValue", sqs.send_message, QueueUrl=url, MessageBody="m", MessageGroupId="a")
    policy = {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:plain-dead", "maxReceiveCount": 3}
    create("plain-dead")
    fails("InvalidParameterValue", sqs.set_queue_attributes, QueueUrl=url,
          Attributes={"RedrivePolicy": json.dumps(policy)})


def scenario_fair_queue():
    """A group id on a standard queue is a tag that comes back; it blocks nothing."""
    url = create("fair")
    for body in ("1", "2"):
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="tenant")
    (first,) = take(url, MaxNumberOfMessages=1)
    (second,) = take(url, MaxNumberOfMessages=1)
    assert bodies([first, second]) == ["1", "2"]
    assert first["Attributes"]["MessageGroupId"] == "tenant" and "SequenceNumber" not in first["Attributes"]


def scenario_wrong_secret():
    wrong = new_client(aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="wrong")
    error = fails("SignatureDoesNotMatch", wrong.list_queues)
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    other = new_client(aws_access_key_id="AKIDOTHER", aws_secret_access_key="wrong")
    error = fails("InvalidClientTokenId", other.list_queues)
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert sqs.list_queues()["ResponseMetadata"]["HTTPStatusCode"] == 200


if __name__ == "__main__":
    print("boto3", boto3.__version__)
    globals()[f"scenario_{sys.argv[2]}"]()
