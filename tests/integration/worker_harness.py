"""What the worker's integration tests share: orders, a worker with its telemetry, the ledger as the witness."""
import collections
import json
import pathlib
import socket
import threading
import time

import harness
from harness import BIN, wait_until
from supervisor_harness import Sqs

Payment = collections.namedtuple("Payment", "order_id message_id worker pid receive_count start_ms end_ms")

# Counters of a stats line that never fall, and gauges; see ARCHITECTURE.md, "Contracts".
COUNTERS = ("received completed failed deleted returned extended lease_lost redelivered receives receives_full "
            "receives_empty handle_ms_sum wait_ms_sum retried rejected quarantined duplicates received_again "
            "receives_failed receives_cancelled extends_failed stale_handles calls").split()
GAUGES = "busy waiting held capacity last_receive_age_ms brake_percent oldest_held_ms protects_itself is_protected".split()


def order(order_id, **changes):
    body = {
        "order_id": order_id,
        "customer_id": 7,
        "status": "pending",
        "items": [{"product_id": "p-1", "quantity": 2, "price": 19.99}],
        "created_at": "2026-11-23T09:00:00Z",
    }
    body.update(changes)
    return json.dumps({k: v for k, v in body.items() if v is not None})


def envelope(body, **changes):
    note = {
        "Type": "Notification",
        "MessageId": "d6ae3c7a-0000-4000-8000-000000000000",
        "TopicArn": "arn:aws:sns:us-east-1:123456789012:orders",
        "Message": body,
        "Timestamp": "2026-11-23T09:00:00.000Z",
    }
    note.update(changes)
    return json.dumps(note)


class Worker:
    """sluice-worker with the supervisor's end of its telemetry socket, whose lines are read as they come."""

    def __init__(self, spawn, folder, queue_url, env, args=(), name="worker", telemetry=True, **popen):
        self.ledger_path = pathlib.Path(folder) / "ledger"
        self.lines = []
        self.closed = threading.Event()
        env = dict(env, SQS_QUEUE_URL=queue_url, SLUICE_WORKER_NAME=name)
        fds = []
        self.socket = None
        if telemetry:
            self.socket, theirs = socket.socketpair()
            env["SLUICE_TELEMETRY_FD"] = str(theirs.fileno())
            fds = [theirs.fileno()]
        argv = [BIN / "sluice-worker", *args]
        if "--handler" not in args or "payment" in args:
            argv += ["--ledger", self.ledger_path]
        self.process = spawn(argv, env, name=name, pass_fds=fds, **popen)
        self.pid = self.process.pid
        if telemetry:
            theirs.close()
            threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        buffer = b""
        try:
            while data := self.socket.recv(65536):
                *lines, buffer = (buffer + data).split(b"\n")
                self.lines.extend(json.loads(line) for line in lines)
        except OSError:
            pass
        self.closed.set()

    def control(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else json.dumps(data).encode() + b"\n")

    def of_type(self, kind):
        return [line for line in self.lines if line["type"] == kind]

    def stats(self):
        lines = self.of_type("stats")
        return lines[-1] if lines else dict.fromkeys(COUNTERS + GAUGES, 0)

    def wait_ready(self):
        return wait_until(lambda: self.of_type("ready"), what="ready")[0]

    def wait_stats(self, condition, timeout_s=60, what="stats"):
        def look():
            assert self.process.alive(), f"worker ended with {self.process.popen.returncode}:\n{self.process.stderr()}"
            stats = self.stats()
            return stats if condition(stats) else None

        return wait_until(look, timeout_s, what)

    def finish(self):
        """TERM, and the end as it should be: exit 0, all lines read."""
        code = self.process.stop()
        assert code == 0, f"exit {code}:\n{self.process.stderr()[-4000:]}"
        if self.socket:
            assert self.closed.wait(10)
        return self.of_type("bye")


def ledger(folder):
    path = pathlib.Path(folder) / "ledger"
    rows = []
    for line in path.read_text().splitlines() if path.exists() else []:
        fields = line.split()
        assert len(fields) == 7 and len(line) == 255, f"torn ledger line {line!r}"
        rows.append(Payment(*fields[:3], *map(int, fields[3:])))
    return rows


def most_at_once(payments):
    """How many payments overlapped at most; one that ends in the millisecond in which another starts does not."""
    edges = sorted([(p.start_ms, 1) for p in payments] + [(p.end_ms, -1) for p in payments])
    most = now = 0
    for _, step in edges:
        now += step
        most = max(most, now)
    return most


class Shop:
    """A queue with orders in it, on an endpoint of its own."""

    def __init__(self, localaws, folder, speed=10, queue="orders", **attributes):
        self.folder = folder
        self.speed = harness.speed(speed)
        self.origin_ms = int(time.time() * 1000)
        self.server = localaws(speed=self.speed, origin_ms=self.origin_ms)
        self.sqs = Sqs(self.server.url)
        self.queue_url = self.sqs.create(queue, **attributes)

    def env(self, **extra):
        extra["NUM_WORKERS"] = harness.threads(extra.get("NUM_WORKERS", 100))
        return harness.environment(self.server.url, self.speed, self.origin_ms, **extra)

    def send(self, bodies):
        self.sqs.send(self.queue_url, bodies)

    def send_orders(self, count, prefix="o"):
        ids = [f"{prefix}-{i}" for i in range(count)]
        self.send(order(i) for i in ids)
        return set(ids)

    def counts(self):
        return self.sqs.counts(self.queue_url)

    def wait_empty(self, worker=None, timeout_s=240):
        def look():
            if worker is not None:
                assert worker.process.alive(), worker.process.stderr()[-4000:]
            return self.counts() == (0, 0)

        wait_until(look, timeout_s, "the queue to be empty")

    def inject(self, operation, kind, **rule):
        self.server.faults("POST", {"operation": operation, "kind": kind, **rule})

    def fired(self):
        return sum(rule["fired_total"] for rule in self.server.faults()["rules"])
