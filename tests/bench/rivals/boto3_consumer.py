"""A threaded consumer on boto3. BENCH_SHAPE:
loop   ten threads, each receives ten, handles them, deletes them in one batch: least work for each message
pool   a few receivers, BENCH_THREADS handler threads, deletes in batches of ten or after 5 ms
Other settings are those of tests/bench/worker, see go/loop.go."""
import os
import queue
import threading
import time

import boto3
from botocore.config import Config


def setting(name, fallback=0.0):
    return float(os.environ.get(name) or fallback)


QUEUE_URL = os.environ["BENCH_QUEUE_URL"]
THREADS = int(setting("BENCH_THREADS", 100))
TIME_S = setting("BENCH_TIME_MS") / 1000
SLOW_TIME_S = setting("BENCH_SLOW_TIME_MS") / 1000
SLOW_SHARE = setting("BENCH_SLOW_SHARE")
SEED = int(setting("BENCH_SEED"))
RECEIVERS = 4
LINGER_S = 0.005

CLIENT = boto3.client(
    "sqs",
    endpoint_url=os.environ["AWS_ENDPOINT_URL"],
    config=Config(max_pool_connections=128, parameter_validation=False, tcp_keepalive=True),
)


def hash32(text):
    """The choice of slow messages that worker/noop.c documents."""
    h = 2166136261 ^ SEED
    for byte in text.encode():
        h = (h ^ byte) * 16777619 & 0xFFFFFFFF
    h = (h ^ h >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    h = (h ^ h >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return h ^ h >> 16


def handle(message):
    span = TIME_S
    if SLOW_SHARE > 0 and hash32(message["Body"]) / 4294967296 < SLOW_SHARE:
        span = SLOW_TIME_S
    if span > 0:
        time.sleep(span)


def receive():
    reply = CLIENT.receive_message(
        QueueUrl=QUEUE_URL,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=20,
        VisibilityTimeout=30,
        MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
    )
    return reply.get("Messages", [])


def delete(receipts):
    for _ in range(5):
        entries = [{"Id": str(i), "ReceiptHandle": receipt} for i, receipt in enumerate(receipts)]
        reply = CLIENT.delete_message_batch(QueueUrl=QUEUE_URL, Entries=entries)
        receipts = [receipts[int(entry["Id"])] for entry in reply.get("Failed", [])]
        if not receipts:
            return


def loop():
    while True:
        messages = receive()
        for message in messages:
            handle(message)
        if messages:
            delete([message["ReceiptHandle"] for message in messages])


def pool():
    waiting = queue.Queue(maxsize=1)
    done = queue.SimpleQueue()

    def receiver():
        while True:
            for message in receive():
                waiting.put(message)

    def handler():
        while True:
            message = waiting.get()
            handle(message)
            done.put(message["ReceiptHandle"])

    def deleter():
        while True:
            receipts = [done.get()]
            until = time.monotonic() + LINGER_S
            try:
                while len(receipts) < 10:
                    receipts.append(done.get(timeout=max(0, until - time.monotonic())))
            except queue.Empty:
                pass
            delete(receipts)

    for target, count in ((handler, THREADS), (deleter, RECEIVERS), (receiver, RECEIVERS)):
        for _ in range(count):
            threading.Thread(target=target, daemon=True).start()
    threading.Event().wait()


if os.environ.get("BENCH_SHAPE") == "pool":
    pool()
else:
    for _ in range(9):
        threading.Thread(target=loop, daemon=True).start()
    loop()
