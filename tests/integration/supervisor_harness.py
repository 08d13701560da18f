"""What the supervisor's integration tests share: a queue client of a few lines, configurations, a running supervisor."""
import contextlib
import datetime
import hashlib
import hmac
import json
import os
import pathlib
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

import harness
from harness import BIN, wait_until

SPEED = harness.speed(10)
ORIGIN_MS = 1_700_000_000_000

SCRIPTED_WORKER = pathlib.Path(__file__).with_name("scripted_worker.py")


class Sqs:
    """Signs and sends AWS JSON 1.0 requests; independent of the code under test."""

    def __init__(self, endpoint):
        self.endpoint = endpoint

    def call(self, operation, **arguments):
        body = json.dumps(arguments).encode()
        stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        host = self.endpoint.split("//")[1]
        headers = {
            "content-type": "application/x-amz-json-1.0",
            "host": host,
            "x-amz-date": stamp,
            "x-amz-target": f"AmazonSQS.{operation}",
        }
        names = ";".join(sorted(headers))
        canonical = "\n".join(
            ["POST", "/", "", *(f"{name}:{headers[name]}" for name in sorted(headers)), "", names,
             hashlib.sha256(body).hexdigest()]
        )
        scope = f"{stamp[:8]}/{harness.REGION}/sqs/aws4_request"
        to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = ("AWS4" + harness.SECRET_KEY).encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={harness.ACCESS_KEY}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        request = urllib.request.Request(self.endpoint + "/", data=body, headers=headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return json.loads(reply.read() or b"{}")
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{operation}: {error.read().decode(errors='replace')}") from None

    def create(self, name, **attributes):
        return self.call("CreateQueue", QueueName=name, Attributes={k: str(v) for k, v in attributes.items()})["QueueUrl"]

    def send(self, queue_url, bodies):
        bodies = list(bodies)
        for start in range(0, len(bodies), 10):
            entries = [{"Id": str(i), "MessageBody": body} for i, body in enumerate(bodies[start:start + 10])]
            reply = self.call("SendMessageBatch", QueueUrl=queue_url, Entries=entries)
            assert len(reply["Successful"]) == len(entries), reply

    def counts(self, queue_url):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        reply = self.call("GetQueueAttributes", QueueUrl=queue_url, AttributeNames=names)["Attributes"]
        return tuple(int(reply[name]) for name in names)

    def purge(self, queue_url):
        self.call("PurgeQueue", QueueUrl=queue_url)


def scripted(*arguments):
    """Command of a scripted worker."""
    return [sys.executable, "-S", str(SCRIPTED_WORKER), *map(str, arguments)]


def configuration(folder, queue_url, command, endpoint=None, name="orders", minimum=2, maximum=6, policy=None, queue=None,
                  fleet=None, **top):
    """A configuration file's object with one fleet; polls every second of product time."""
    one = {
        "name": name,
        "queue": {"url": queue_url, "poll": "1s", **(queue or {})},
        "capacity": {"min": minimum, "max": maximum},
        "policy": {"type": "threshold", **(policy or {})},
        "fleet": {"type": "local", "command": [str(word) for word in command], **(fleet or {})},
    }
    # Scripted workers start Python: on a busy machine that may take its time.
    one["fleet"].setdefault("start_grace", "10m")
    whole = {"region": harness.REGION, "state_dir": str(pathlib.Path(folder) / "state"), "fleets": [one], **top}
    if endpoint:
        whole["endpoint_url"] = endpoint
    return whole


def write_configuration(folder, config, name="fleet.json"):
    path = pathlib.Path(folder) / name
    path.write_text(json.dumps(config, indent=1))
    return path


def pid_alive(pid):
    """True for a process that runs; a zombie does not."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rsplit(")", 1)[1].split()[0] not in ("Z", "X")


class Supervisor(harness.Process):
    """A running "sluice run"."""

    def __init__(self, folder, config, env, name="sluice", in_environment=False, **popen):
        self.config = config
        self.folder = pathlib.Path(folder)
        self.config_path = write_configuration(folder, config, f"{name}.json")
        self.state_dir = pathlib.Path(config["state_dir"])
        self.socket = self.state_dir / "admin.sock"
        self.env = env
        source = self.config_path
        if in_environment:
            env, source = {**env, "SLUICE_CONFIG": json.dumps(config)}, "env:SLUICE_CONFIG"
        super().__init__([BIN / "sluice", "run", "--config", source], folder, env, name=name, **popen)
        wait_until(self._answers, what="the supervisor to answer")

    def _answers(self):
        if not self.alive():
            raise AssertionError(f"sluice run ended with {self.popen.returncode}:\n{self.stderr()[-4000:]}")
        return self.try_status()

    def try_status(self):
        done = subprocess.run([BIN / "sluice", "status", "--socket", self.socket, "--json"], env=self.env,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def status(self):
        return wait_until(self.try_status, what="status")

    def fleet(self, name="orders"):
        return next(fleet for fleet in self.status()["fleets"] if fleet["name"] == name)

    def wait_fleet(self, condition, what, timeout_s=60):
        """Waits until condition(fleet status) holds, and returns that status."""
        last = {}

        def holds():
            last.update(self.fleet())
            return last if condition(last) else None

        try:
            return wait_until(holds, timeout_s=timeout_s, what=what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{json.dumps(last)}\n{self.stderr()[-4000:]}") from None

    def wait_ready(self, count):
        return self.wait_fleet(lambda fleet: fleet["ready"] == count == fleet["desired"], f"{count} ready workers")

    def pids(self):
        return [worker["pid"] for worker in self.fleet()["workers"] if worker["pid"]]

    def messages(self, text):
        return [line for line in self.logs() if line.get("message") == text]

    def journal(self, name="orders"):
        path = self.state_dir / f"{name}.journal.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]


@contextlib.contextmanager
def signalled_at_exit(pids, number):
    """Sends a signal to pids that still run when the block ends; a guard for tests that make stubborn processes."""
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def run_sluice(*arguments, env=None, **popen):
    return subprocess.run([BIN / "sluice", *map(str, arguments)], env=env or harness.environment(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, check=False, **popen)


class World:
    """An endpoint with a queue called orders, and a way to start supervisors on it; all run at the same speed."""

    def __init__(self, folder, localaws, args=()):
        self.folder = folder
        self.server = localaws(speed=SPEED, origin_ms=ORIGIN_MS, args=args)
        self.sqs = Sqs(self.server.url)
        self.queue_url = self.sqs.create("orders")
        self.started = []

    def environment(self, **extra):
        return harness.environment(self.server.url, speed=SPEED, origin_ms=ORIGIN_MS, **extra)

    def configuration(self, command, **settings):
        return configuration(self.folder, self.queue_url, command, endpoint=self.server.url, **settings)

    def supervise(self, command, name="sluice", env=None, preexec_fn=None, **settings):
        config = self.configuration(command, **settings)
        supervisor = Supervisor(self.folder, config, env or self.environment(), name=name, preexec_fn=preexec_fn)
        self.started.append(supervisor)
        return supervisor


@pytest.fixture
def world(tmp_path, localaws):
    made = World(tmp_path, localaws)
    yield made
    for supervisor in made.started:
        supervisor.kill()
    # A sanitizer's report or an event that the slot table calls impossible fails any test.
    for supervisor in made.started:
        text = supervisor.stderr()
        assert "Sanitizer" not in text and "runtime error:" not in text, text[-8000:]
        assert "unexpected event of a worker slot" not in text, text[-8000:]
