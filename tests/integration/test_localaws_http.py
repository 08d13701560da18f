"""The HTTP side of sluice-localaws, seen from raw sockets: what real clients and broken ones send."""
import json
import os
import signal
import socket
import struct
import subprocess

import pytest

import harness
from localaws_client import Client, Raw, json_request


@pytest.fixture
def server(localaws):
    return localaws(verify=False, args=("--create-queue", "q,other"))


@pytest.fixture
def raw(server):
    connections = []

    def connect():
        connections.append(Raw(server.url))
        return connections[-1]

    yield connect
    for connection in connections:
        connection.close()


def receive(netloc, wait_s=0, queue="q", **members):
    return json_request(netloc, "ReceiveMessage",
                        {"QueueUrl": f"http://{netloc}/{harness.ACCOUNT}/{queue}", "WaitTimeSeconds": wait_s, **members})


def send(netloc, body="m", queue="q"):
    return json_request(netloc, "SendMessage",
                        {"QueueUrl": f"http://{netloc}/{harness.ACCOUNT}/{queue}", "MessageBody": body})


def test_health_and_head(raw):
    c = raw()
    c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    status, headers, body = c.reply()
    assert status == 200 and json.loads(body)["service"] == "sluice-localaws" and "date" in headers
    c.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
    status, headers, _ = c.reply(head_only=True)
    assert status == 200 and int(headers["content-length"]) == len(body)
    c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")  # no body followed the HEAD, so this is read right
    assert c.reply()[2] == body


def test_pipelined_requests_are_answered_in_order(raw):
    c = raw()
    c.send("".join(send(c.netloc, f"m{i}") for i in range(50)) + receive(c.netloc, MaxNumberOfMessages=10))
    ids = [json.loads(c.reply()[2])["MessageId"] for _ in range(50)]
    messages = json.loads(c.reply()[2])["Messages"]
    assert [m["MessageId"] for m in messages] == ids[:10]
    assert [m["Body"] for m in messages] == [f"m{i}" for i in range(10)]


def test_a_request_pipelined_behind_a_long_poll_waits_for_it(raw):
    waiting, sender = raw(), raw()
    waiting.send(receive(waiting.netloc, wait_s=20) + "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    wait_for_waiters(waiting, 1)
    sender.send(send(sender.netloc))
    assert sender.reply()[0] == 200
    assert len(json.loads(waiting.reply()[2])["Messages"]) == 1
    assert json.loads(waiting.reply()[2])["service"] == "sluice-localaws"


def wait_for_waiters(connection, count, queue="q"):
    client = Client(f"http://{connection.netloc}")
    harness.wait_until(lambda: client.stats()["queues"][queue]["waiting_receives"] == count, what=f"{count} waiters")


def test_a_request_may_come_byte_by_byte(raw):
    c = raw()
    c.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in send(c.netloc, "slowly"):
        c.send(byte)
    assert c.reply()[0] == 200


def test_chunked_bodies_are_taken(raw):
    c = raw()
    body = json.dumps({"QueueUrl": f"http://h/{harness.ACCOUNT}/q", "MessageBody": "x" * 5000})
    head = f"POST / HTTP/1.1\r\nHost: h\r\nX-Amz-Target: AmazonSQS.SendMessage\r\nTransfer-Encoding: chunked\r\n\r\n"
    for size in (1, 7, 1000, 100000):
        pieces = [body[i:i + size] for i in range(0, len(body), size)]
        c.send(head + "".join(f"{len(p):x}\r\n{p}\r\n" for p in pieces) + "0\r\n\r\n")
        assert c.reply()[0] == 200


def test_a_client_that_expects_100_continue_gets_it(raw):
    c = raw()
    request = json_request(c.netloc, "ListQueues", {}, extra="Expect: 100-continue\r\n")
    head, body = request[:request.index("\r\n\r\n") + 4], request[request.index("\r\n\r\n") + 4:]
    c.send(head)
    assert c.reply()[0] == 100
    c.send(body)
    status, _, data = c.reply()
    assert status == 200 and len(json.loads(data)["QueueUrls"]) == 2


@pytest.mark.parametrize("text,status", [
    ("GARBAGE\r\n\r\n", 400),
    ("\x16\x03\x01\x02\x00\r\n\r\n", 400),  # a TLS hello
    ("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    ("POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
    ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFF\r\n", 413),
    ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    ("GET / HTTP/3.0\r\n\r\n", 505),
    ("GET / HTTP/1.1\r\n" + "".join(f"h{i}: v\r\n" for i in range(65)) + "\r\n", 431),
    ("GET / HTTP/1.1\r\nlong: " + "x" * 40000 + "\r\n\r\n", 431),
    ("GET /" + "x" * 40000 + " HTTP/1.1\r\n\r\n", 431),
])
def test_what_cannot_be_read_is_refused_and_the_connection_ended(raw, server, text, status):
    c = raw()
    c.send(text)
    assert c.reply()[0] == status
    assert c.at_end()
    after = raw()
    after.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert after.reply()[0] == 200


def test_an_oversized_body_is_refused_before_it_is_sent(raw):
    c = raw()
    c.send(f"POST / HTTP/1.1\r\nHost: h\r\nX-Amz-Target: AmazonSQS.SendMessage\r\nContent-Length: {9 * 1024 * 1024}\r\n\r\n")
    c.send(b"x" * 65536)
    assert c.reply()[0] == 413
    assert c.at_end()


def test_connection_close_and_http_1_0_end_the_connection(raw):
    for request in ("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"):
        c = raw()
        c.send(request)
        status, headers, _ = c.reply()
        assert status == 200 and headers["connection"] == "close" and c.at_end()


def test_unknown_paths_methods_and_operations(raw):
    c = raw()
    c.send("GET /_localaws/nothing HTTP/1.1\r\nHost: h\r\n\r\n")
    assert c.reply()[0] == 404
    c.send("PUT /_localaws/faults HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
    assert c.reply()[0] == 405
    c.send(json_request(c.netloc, "Nonsense", {}))
    status, headers, body = c.reply()
    assert status == 400 and "UnknownOperationException" in body.decode() and "x-amzn-requestid" in headers
    c.send(json_request(c.netloc, "ListQueues", {}).replace("AmazonSQS.", "AmazonSNS."))
    assert c.reply()[0] == 400
    c.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
    assert c.reply()[0] == 400


def test_queue_urls_are_built_from_the_host_called(raw):
    c = raw()
    for host in ("sqs.example.test", "localhost:9324", "10.1.2.3:80"):
        c.send(json_request(host, "GetQueueUrl", {"QueueName": "q"}))
        assert json.loads(c.reply()[2])["QueueUrl"] == f"http://{host}/{harness.ACCOUNT}/q"
    c.send("GET /?Action=GetQueueUrl&QueueName=q HTTP/1.1\r\nHost: other:1\r\n\r\n")
    assert b"<QueueUrl>http://other:1/" in c.reply()[2]


def test_query_requests_may_be_posted_to_the_queues_own_path(raw):
    c = raw()
    form = "Action=SendMessage&Version=2012-11-05&MessageBody=%3Cx%3E+%26"
    c.send(f"POST /{harness.ACCOUNT}/q HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n"
           f"Content-Length: {len(form)}\r\n\r\n{form}")
    status, headers, body = c.reply()
    assert status == 200 and headers["content-type"] == "text/xml" and b"<MD5OfMessageBody>" in body
    c.send(f"GET /{harness.ACCOUNT}/q?Action=ReceiveMessage HTTP/1.1\r\nHost: h\r\n\r\n")
    assert b"<Body>&lt;x&gt; &amp;</Body>" in c.reply()[2]
    c.send(f"GET /{harness.ACCOUNT}/none?Action=ReceiveMessage HTTP/1.1\r\nHost: h\r\n\r\n")
    status, _, body = c.reply()
    assert status == 400 and b"<Code>AWS.SimpleQueueService.NonExistentQueue</Code>" in body


def test_a_long_poll_whose_client_left_takes_no_message(raw, server):
    gone, here = raw(), raw()
    gone.send(receive(gone.netloc, wait_s=20))
    wait_for_waiters(gone, 1)
    gone.close()
    wait_for_waiters(here, 0)
    here.send(send(here.netloc, "kept"))
    assert here.reply()[0] == 200
    here.send(receive(here.netloc))
    assert [m["Body"] for m in json.loads(here.reply()[2])["Messages"]] == ["kept"]
    assert Client(server.url).stats()["gone"] == 1


def test_a_long_poll_reset_by_its_client_takes_no_message(raw, server):
    gone, here = raw(), raw()
    gone.send(receive(gone.netloc, wait_s=20))
    wait_for_waiters(gone, 1)
    gone.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    gone.close()
    wait_for_waiters(here, 0)
    here.send(send(here.netloc) + receive(here.netloc))
    assert here.reply()[0] == 200
    assert len(json.loads(here.reply()[2])["Messages"]) == 1


def test_a_client_that_shuts_its_side_still_gets_its_reply(raw):
    c = raw()
    c.send(send(c.netloc, "x" * 100000) + receive(c.netloc))
    c.socket.shutdown(socket.SHUT_WR)
    assert c.reply()[0] == 200
    assert len(json.loads(c.reply()[2])["Messages"][0]["Body"]) == 100000
    assert c.at_end()


def test_a_reader_that_does_not_read_is_not_served_for_ever(raw, server):
    """Its replies stop piling up in the server, others are served, and what it did not read is still in order."""
    c, other = raw(), raw()
    c.send(send(c.netloc, "x" * 200000))
    assert c.reply()[0] == 200
    one = receive(c.netloc, VisibilityTimeout=0)
    asked = 200  # 40 MB of replies
    c.send(one * asked)
    harness.wait_until(lambda: Client(server.url).stats()["calls"].get("ReceiveMessage", 0) > 0, what="first replies")
    other.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert other.reply()[0] == 200
    served = Client(server.url).stats()["calls"]["ReceiveMessage"]
    assert served < asked
    with open(f"/proc/{server.pid}/statm") as statm:
        assert "SLUICE_SANITIZED" in os.environ or int(statm.read().split()[1]) * 4096 < 64 * 1024 * 1024
    for _ in range(asked):
        status, _, body = c.reply()
        assert status == 200 and len(body) > 200000
    assert Client(server.url).stats()["calls"]["ReceiveMessage"] == asked


def test_many_long_polls_at_once_get_a_message_each(raw, server):
    connections = [raw() for _ in range(400)]
    for c in connections:
        c.send(receive(c.netloc, wait_s=20))
    wait_for_waiters(connections[0], 400)
    sender = Client(server.url)
    url = server.queue_url("q")
    for _ in range(40):
        sender.call("SendMessageBatch", QueueUrl=url, Entries=[{"Id": str(i), "MessageBody": "m"} for i in range(10)])
    bodies = [json.loads(c.reply()[2])["Messages"] for c in connections]
    assert [len(b) for b in bodies] == [1] * 400
    assert len({m["MessageId"] for b in bodies for m in b}) == 400


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_with_zero(server, raw, number):
    c = raw()
    c.send(receive(c.netloc, wait_s=20))
    wait_for_waiters(c, 1)
    server.signal(number)
    assert server.wait() == 0
    assert c.at_end()
    assert server.stdout().count("\n") == 1


def test_what_the_command_line_refuses(tmp_path):
    program = str(harness.BIN / "sluice-localaws")
    env = harness.environment(AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None)
    for args, says in [
        (["--listen", "0.0.0.0:0"], "--allow-remote"),
        (["--listen", "127.0.0.1"], "HOST:PORT"),
        (["--listen", "127.0.0.1:70000"], "65535"),
        (["--listen", "example.test:1"], "IP address"),
        (["--account", "1"], "12 digits"),
        (["--region", "A B"], "--region"),
        (["--verify-signatures"], "AWS_ACCESS_KEY_ID"),
        (["--create-queue", "a b", "--listen", "127.0.0.1:0"], "a b"),
        (["--nonsense"], "nonsense"),
        (["operand"], "operand"),
    ]:
        done = subprocess.run([program, *args], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=30)
        assert done.returncode not in (0, None), args
        assert says in done.stderr, (args, done.stderr)
        assert done.stdout == ""
    for args in (["--help"], ["--version"]):
        done = subprocess.run([program, *args], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0 and "sluice-localaws" in done.stdout


def test_a_port_in_use_is_said(server, tmp_path):
    netloc = server.url.removeprefix("http://")
    done = subprocess.run([str(harness.BIN / "sluice-localaws"), "--listen", netloc], cwd=tmp_path,
                          env=harness.environment(), capture_output=True, text=True, timeout=30)
    assert done.returncode == 69 and netloc.split(":")[1] in done.stderr
