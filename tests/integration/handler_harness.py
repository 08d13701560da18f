"""What the tests of exec and stdio share: child programs of their own, the lines that these leave, who still lives."""
import json
import pathlib

import pytest

import harness
from harness import wait_until
from worker_harness import Shop, Worker

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "examples" / "handlers"

# Faults that pass, a few of each; thrown at every operation that the worker uses.
KINDS = {
    "error": {"kind": "error", "probability": 0.5, "count": 5},
    "error-after": {"kind": "error", "after": True, "probability": 0.5, "count": 5},
    "throttle": {"kind": "throttle", "probability": 0.5, "count": 5},
    "reset": {"kind": "reset", "probability": 0.5, "count": 5},
    "reset-after": {"kind": "reset", "after": True, "probability": 0.5, "count": 5},
    "truncate": {"kind": "truncate", "probability": 0.5, "count": 5},
    "hang": {"kind": "hang", "count": 1},
    "hang-after": {"kind": "hang", "after": True, "count": 1},
    "latency": {"kind": "latency", "latency_ms": 50, "probability": 0.5, "count": 10},
    "duplicate": {"kind": "duplicate", "probability": 0.5, "count": 5},
    "entry_error": {"kind": "entry_error", "probability": 0.7, "count": 6},
}
OPERATIONS = ("ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch")


def kinds(names=KINDS):
    """Cases for a handler's test of faults. A request that hangs takes its whole time limit, whatever the handler is:
    test_worker_faults.py shows that in the quick tier, too."""
    return [pytest.param(name, marks=pytest.mark.slow) if name == "hang" else name for name in harness.some(names)]


class Handled:
    """A queue, a worker with a program as its handler, and the files in which the program keeps what it did."""

    def __init__(self, spawn, localaws, folder, speed=10, **attributes):
        self.spawn = spawn
        self.folder = pathlib.Path(folder)
        self.shop = Shop(localaws, folder, speed=speed, **attributes)
        self.worker = None

    def program(self, text, name="program"):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def start(self, handler, argv, args=(), name="worker", **env):
        env = self.shop.env(ORDERS_LOG=self.folder / "orders.log", FOLDER=self.folder, **env)
        self.worker = Worker(self.spawn, self.folder, self.shop.queue_url, env,
                             ["--handler", handler, *args, "--", *argv], name=name)
        return self.worker

    def send(self, *bodies, attributes=None):
        for body in bodies:
            more = {"MessageAttributes": attributes} if attributes else {}
            self.shop.sqs.call("SendMessage", QueueUrl=self.shop.queue_url, MessageBody=body, **more)

    def lines(self, name="orders.log"):
        path = self.folder / name
        return path.read_text().split("\n")[:-1] if path.exists() else []

    def wait_lines(self, count, name="orders.log"):
        def look():
            assert self.worker.process.alive(), self.worker.process.stderr()[-4000:]
            lines = self.lines(name)
            return lines if len(lines) >= count else None

        return wait_until(look, 120, f"{count} lines in {name}")

    def order_ids(self):
        """Orders that the example programs handled, in order of time."""
        found = []
        for line in self.lines():
            rest = line.split(" ", 1)[1]
            found.append(json.loads(rest)["order_id"] if rest.startswith("{") else rest)
        return found

    def dead_letter(self, url):
        """The one message of a DLQ, and its attributes as texts."""
        reply = self.shop.sqs.call("ReceiveMessage", QueueUrl=url, MessageAttributeNames=["All"], MaxNumberOfMessages=10)
        message, = reply["Messages"]
        return message["Body"], {k: v.get("StringValue") for k, v in message["MessageAttributes"].items()}

    def logged(self, text):
        """Log lines of the worker that hold the text in message or reason."""
        return [line for line in self.worker.process.logs() if text in f"{line['message']} {line.get('reason')}"]

    def wait_logged(self, text, count=1):
        return wait_until(lambda: (lines := self.logged(text)) and len(lines) >= count and lines, 240, f"log of {text!r}")


def lives(pid):
    """Whether a process runs; a zombie that nobody reaps does not."""
    try:
        stat = pathlib.Path(f"/proc/{int(pid)}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rsplit(")", 1)[1].split()[0] not in "ZX"


def wait_gone(pids):
    wait_until(lambda: not any(lives(pid) for pid in pids), 30, f"the end of {pids}")
