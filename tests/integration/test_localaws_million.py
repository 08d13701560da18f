"""A million messages through one queue: none is lost, none is invented, and each is handed out once."""
import os
import re

import pytest

import socket

from localaws_client import Raw, json_request

pytestmark = pytest.mark.full_speed

SANITIZED = "SLUICE_SANITIZED" in os.environ  # memory and speed are the sanitizer's then
COUNT = 50_000 if SANITIZED else {"quick": 100_000, "long": 2_000_000}.get(os.environ.get("SLUICE_TEST_TIER"), 1_000_000)
WINDOW = 50  # requests on the wire at a time: half a megabyte of replies, so that neither side blocks the other
MESSAGE = re.compile(rb'"MessageId":"([^"]+)","ReceiptHandle":"([^"]+)"')


def exchange(raw, requests):
    """Sends the requests at once and returns the replies' bodies."""
    raw.send(b"".join(requests))
    bodies = []
    for _ in requests:
        status, _, body = raw.reply()
        assert status == 200, body
        bodies.append(body)
    return bodies


def batch_of_ten(netloc, url, operation, entries):
    return json_request(netloc, operation, {"QueueUrl": url, "Entries": entries}).encode()


def rss_bytes(pid):
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_million_messages_are_kept_and_counted(localaws):
    server = localaws(verify=False, args=("--create-queue", "q"))
    raw = Raw(server.url, timeout_s=120)
    raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    url = server.queue_url("q")
    send = batch_of_ten(raw.netloc, url, "SendMessageBatch",
                        [{"Id": str(i), "MessageBody": f'{{"order_id":"{i:032d}"}}'} for i in range(10)])
    sent = set()
    for _ in range(COUNT // 10 // WINDOW):
        for body in exchange(raw, [send] * WINDOW):
            ids = re.findall(rb'"MessageId":"([^"]+)"', body)
            assert len(ids) == 10
            sent.update(ids)
    assert len(sent) == COUNT
    assert counts(raw, url) == (COUNT, 0, 0)
    if not SANITIZED:
        assert rss_bytes(server.pid) < 100e6 + COUNT * 600

    receive = json_request(raw.netloc, "ReceiveMessage",
                           {"QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 43200}).encode()
    received = set()
    while len(received) < COUNT:
        deletes = []
        for body in exchange(raw, [receive] * WINDOW):
            messages = MESSAGE.findall(body)
            assert messages
            for message_id, _ in messages:
                assert message_id not in received
                received.add(message_id)
            deletes.append(batch_of_ten(raw.netloc, url, "DeleteMessageBatch", [
                {"Id": str(i), "ReceiptHandle": handle.decode()} for i, (_, handle) in enumerate(messages)]))
        for body in exchange(raw, deletes):
            assert b"Failed" not in body
    assert received == sent
    assert counts(raw, url) == (0, 0, 0)
    raw.close()


def counts(raw, url):
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
             "ApproximateNumberOfMessagesDelayed"]
    (body,) = exchange(raw, [json_request(raw.netloc, "GetQueueAttributes",
                                          {"QueueUrl": url, "AttributeNames": names}).encode()])
    return tuple(int(re.search(rb'"%s":"(\d+)"' % n.encode(), body)[1]) for n in names)


def test_a_million_messages_in_many_groups_keep_their_order(localaws):
    """Ten messages a group: a receive costs the same however many groups are there, blocked or not."""
    server = localaws(verify=False, args=("--create-queue", "q.fifo"))
    raw = Raw(server.url, timeout_s=120)
    raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    url = server.queue_url("q.fifo")
    groups = COUNT // 10
    for first in range(0, COUNT // 10, WINDOW):
        for body in exchange(raw, [batch_of_ten(raw.netloc, url, "SendMessageBatch", [
                {"Id": str(i), "MessageBody": str((k * 10 + i) // groups), "MessageGroupId": str((k * 10 + i) % groups),
                 "MessageDeduplicationId": str(k * 10 + i)} for i in range(10)]) for k in range(first, first + WINDOW)]):
            assert b"Failed" not in body
    assert counts(raw, url) == (COUNT, 0, 0)
    if not SANITIZED:
        assert rss_bytes(server.pid) < 100e6 + COUNT * 1200

    receive = json_request(raw.netloc, "ReceiveMessage", {
        "QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 43200,
        "MessageSystemAttributeNames": ["MessageGroupId"]}).encode()
    message = re.compile(rb'"ReceiptHandle":"([^"]+)".*?"Body":"(\d+)".*?"MessageGroupId":"(\d+)"')
    next_of_group = [0] * groups
    received = 0
    while received < COUNT:
        deletes = []
        for body in exchange(raw, [receive] * WINDOW):
            messages = message.findall(body)
            assert messages
            for _, number, group in messages:
                assert next_of_group[int(group)] == int(number)
                next_of_group[int(group)] += 1
            received += len(messages)
            deletes.append(batch_of_ten(raw.netloc, url, "DeleteMessageBatch", [
                {"Id": str(i), "ReceiptHandle": handle.decode()} for i, (handle, *_) in enumerate(messages)]))
        for body in exchange(raw, deletes):
            assert b"Failed" not in body
    assert counts(raw, url) == (0, 0, 0)
    raw.close()
