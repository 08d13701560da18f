"""What the benchmarks share: a queue on sluice-localaws filled fast, CPU time and memory of process trees."""
import base64
import json
import os
import pathlib
import socket
import sys
import time
import urllib.request
from urllib.parse import urlsplit

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))  # for harness

QUEUE = "bench"
BATCH_ENTRIES = 10
BATCH_BYTES = 1 << 20
WINDOW = 64  # requests on the wire at once while sending
CPUCLOCK_SCHED = 2  # linux/posix-timers.h: the nanoseconds that all threads of a process ran


def call(url, operation, prefix="AmazonSQS", content="1.0", **body):
    request = urllib.request.Request(
        url,
        data=json.dumps(body).encode(),
        headers={"X-Amz-Target": f"{prefix}.{operation}", "Content-Type": f"application/x-amz-json-{content}"},
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.loads(reply.read() or b"{}")


def stats(server_url, method="GET"):
    request = urllib.request.Request(f"{server_url}/_localaws/stats", method=method)
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.loads(reply.read())


def _batches(bodies):
    batch, size = [], 0
    for body in bodies:
        if batch and (len(batch) == BATCH_ENTRIES or size + len(body) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(body)
        size += len(body)
    if batch:
        yield batch


def send_requests(queue_url, bodies, delay_s=0):
    """The HTTP requests that send the bodies, ready for send(); made ahead, so that sending itself is quick."""
    requests = []
    extra = {"DelaySeconds": delay_s} if delay_s else {}
    for batch in _batches(bodies):
        entries = [{"Id": str(i), "MessageBody": body, **extra} for i, body in enumerate(batch)]
        data = json.dumps({"QueueUrl": queue_url, "Entries": entries}).encode()
        head = (f"POST / HTTP/1.1\r\nHost: bench\r\nX-Amz-Target: AmazonSQS.SendMessageBatch\r\n"
                f"Content-Type: application/x-amz-json-1.0\r\nContent-Length: {len(data)}\r\n\r\n")
        requests.append(head.encode() + data)
    return requests


def _read_replies(stream, count):
    for _ in range(count):
        status = stream.readline()
        length = 0
        while (line := stream.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        body = stream.read(length)
        if b" 200 " not in status or b'"Failed":[{' in body:
            raise RuntimeError(f"sending failed: {status!r} {body[:300]!r}")


def send(server_url, requests):
    """Sends them over one connection, a window of requests at a time."""
    address = urlsplit(server_url)
    with socket.create_connection((address.hostname, address.port), timeout=120) as connection:
        stream = connection.makefile("rb")
        step = max(1, min(WINDOW, (4 << 20) // max(map(len, requests), default=1)))
        for start in range(0, len(requests), step):
            window = requests[start:start + step]
            connection.sendall(b"".join(window))
            _read_replies(stream, len(window))


def tree(pid):
    """The process and its descendants that are alive."""
    pids = [pid]
    for parent in pids:
        try:
            for task in os.listdir(f"/proc/{parent}/task"):
                pids += map(int, pathlib.Path(f"/proc/{parent}/task/{task}/children").read_text().split())
        except OSError:
            pass
    return pids


def cpu_s(pid):
    """CPU seconds of a process tree so far, to the microsecond, exited threads included."""
    total = 0.0
    for one in tree(pid):
        try:
            total += time.clock_gettime((~one << 3) | CPUCLOCK_SCHED)
        except OSError:
            pass  # it ended meanwhile
    return total


def _kib(path, *names):
    values = dict.fromkeys(names, 0)
    try:
        for line in pathlib.Path(path).read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in values:
                values[name] = int(rest.split()[0])
    except OSError:
        pass
    return [values[name] for name in names]


def memory(pid):
    """(RSS, private dirty) of a process tree now, KiB."""
    rows = [_kib(f"/proc/{one}/smaps_rollup", "Rss", "Private_Dirty") for one in tree(pid)]
    return sum(row[0] for row in rows), sum(row[1] for row in rows)


def peak_rss(pid):
    """The sum over a process tree of each one's highest RSS, KiB."""
    return sum(_kib(f"/proc/{one}/status", "VmHWM")[0] for one in tree(pid))


def slow_hash(text, seed):
    """worker/noop.c: slow when slow_hash / 2^32 < share."""
    h = 2166136261 ^ seed
    for byte in text.encode():
        h = (h ^ byte) * 16777619 & 0xFFFFFFFF
    h = (h ^ h >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    h = (h ^ h >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return h ^ h >> 16


def plain_body(i, size):
    """A JSON object of that many bytes; each is another."""
    body = json.dumps({"order_id": f"o-{i}", "customer_id": i % 1000, "status": "pending", "note": ""})
    return body[:-2] + "x" * max(0, size - len(body)) + '"}'


def celery_body(i, size):
    """The same as an argument of a task of Celery's message protocol 2 in a kombu envelope, base64 as SQS carries it.
    Source: docs.celeryq.dev, "Message Protocol"; kombu's virtual transport and its SQS channel."""
    task_id = f"{i:032x}"
    task = base64.b64encode(json.dumps([[plain_body(i, size)], {}, {}]).encode()).decode()
    headers = {"lang": "py", "task": "bench.noop", "id": task_id, "root_id": task_id, "parent_id": None, "group": None,
               "retries": 0, "eta": None, "expires": None, "timelimit": [None, None], "argsrepr": "", "kwargsrepr": "{}",
               "origin": "bench"}
    properties = {"correlation_id": task_id, "reply_to": "", "delivery_mode": 2, "priority": 0,
                  "delivery_info": {"exchange": QUEUE, "routing_key": QUEUE}, "body_encoding": "base64",
                  "delivery_tag": task_id}
    envelope = {"body": task, "content-encoding": "utf-8", "content-type": "application/json", "headers": headers,
                "properties": properties}
    return base64.b64encode(json.dumps(envelope).encode()).decode()
