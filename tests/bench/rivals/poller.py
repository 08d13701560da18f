"""Polls many queues at a fixed rate with boto3, as a scaler in Python would: threads, one client, kept connections.

argv: endpoint URL, file with one queue URL a line, polls a second of each queue, threads. Writes the number of polls
so far to stdout every second; ends when stdin does."""
import sys
import threading
import time

import boto3
from botocore.config import Config

NAMES = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]


def main():
    endpoint, path, rate, threads = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
    with open(path, encoding="ascii") as lines:
        urls = lines.read().split()
    client = boto3.client("sqs", endpoint_url=endpoint,
                          config=Config(max_pool_connections=threads, retries={"total_max_attempts": 1}))
    counts = [0] * threads
    start = time.monotonic()

    def run(index):
        mine = urls[index::threads]
        step = 1 / rate / len(mine)
        due = start + step * index / threads
        while True:
            for url in mine:
                wait = due - time.monotonic()
                if wait > 0:
                    time.sleep(wait)
                due = max(due + step, time.monotonic() - 1)  # what was missed for a second is not caught up
                reply = client.get_queue_attributes(QueueUrl=url, AttributeNames=NAMES)
                int(reply["Attributes"]["ApproximateNumberOfMessages"])
                counts[index] += 1

    def tell():
        while True:
            time.sleep(1)
            print(sum(counts), flush=True)

    for index in range(threads):
        threading.Thread(target=run, args=(index,), daemon=True).start()
    threading.Thread(target=tell, daemon=True).start()
    sys.stdin.read()


main()
