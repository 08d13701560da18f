"""A Celery worker with 100 threads on SQS and the task that is measured; run as `celery -A celery_app worker`.
Settings are those of tests/bench/worker, see go/loop.go. Message bodies are made by tests/bench/worker."""
import os
import time
from urllib.parse import quote

from celery import Celery

QUEUE_URL = os.environ["BENCH_QUEUE_URL"]
NAME = QUEUE_URL.rsplit("/", 1)[1]
TIME_S = float(os.environ.get("BENCH_TIME_MS") or 0) / 1000

app = Celery("bench")
app.conf.update(
    broker_url=f"sqs://{quote(os.environ['AWS_ACCESS_KEY_ID'], '')}:{quote(os.environ['AWS_SECRET_ACCESS_KEY'], '')}@",
    broker_transport_options={
        "region": os.environ["AWS_REGION"],
        "predefined_queues": {NAME: {"url": QUEUE_URL}},
        "wait_time_seconds": 20,
        "visibility_timeout": 30,
        "is_secure": False,
    },
    task_default_queue=NAME,
    task_ignore_result=True,
    task_acks_late=True,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
)


@app.task(name="bench.noop")
def noop(_payload):
    if TIME_S > 0:
        time.sleep(TIME_S)
