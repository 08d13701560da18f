"""One run: a client drains messages that become visible all at once, and what that took.

The client starts on an empty queue, drains a warm-up (connections, JIT) and waits in its long polls. The messages are
sent with a delay; while it ends the server is stopped (SIGSTOP), so that everything is visible in the instant in
which it goes on, and the client has received nothing before. CPU is that from this instant to the last delete."""
import dataclasses
import heapq
import http.client
import json
import os
import pathlib
import signal
import socket
import time
from urllib.parse import urlsplit

import common
import harness

GUARD_S = 180  # of every wait
WARM_UP = {"noop": 2000, "wait": 300}
LOOK_S = 0.02


class Failed(Exception):
    """A run that gave no figures; the text says why."""


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    body_bytes: int = 200
    time_ms: int = 0
    slow_share: float = 0.0
    slow_time_ms: int = 0
    seed: int = 0
    threads: int = 100
    messages: dict = dataclasses.field(default_factory=dict)  # by client or kind; who is not named does not take part
    once: tuple = ()  # kinds that are measured in the first round only: they take long

    def messages_of(self, client, quick):
        count = self.messages.get(client.name, self.messages.get(client.kind, 0))
        return max(count // 4, 100) if quick and count and not self.slow_share else count

    def rounds_of(self, client, rounds):
        return 1 if client.kind in self.once else rounds

    def times_s(self, bodies):
        """How long each message takes to handle, in the order of the queue."""
        limit = self.slow_share * 2**32
        return [(self.slow_time_ms if self.slow_share and common.slow_hash(body, self.seed) < limit else self.time_ms)
                / 1000 for body in bodies]

    def best_s(self, bodies):
        """The best that `threads` slots can do in the order of the queue: whoever is free takes the next message.
        0 when handling takes no time."""
        free = [0.0] * self.threads
        for time_s in self.times_s(bodies):
            heapq.heapreplace(free, free[0] + time_s)
        return max(free)


BATCHERS = {"sluice": 50000, "go": 50000}
SCENARIOS = [
    Scenario("noop", "no-op, bodies of 200 bytes",
             messages={**BATCHERS, "sqs-consumer": 10000, "sqs-consumer-14-default": 2000, "boto3": 10000, "celery": 3000}),
    Scenario("noop-1k", "no-op, bodies of 1 KB", body_bytes=1024,
             messages={**BATCHERS, "sqs-consumer-15": 10000, "boto3-loop": 10000}),
    Scenario("noop-256k", "no-op, bodies of 256 KB", body_bytes=256 * 1024,
             messages={"sluice": 600, "go": 600, "sqs-consumer-15": 600, "boto3-loop": 600}),
    Scenario("handling-10ms", "handling takes 10 ms", time_ms=10,
             messages={"sluice": 20000, "go": 20000, "sqs-consumer-15": 6000, "boto3-pool": 6000}),
    Scenario("handling-100ms", "handling takes 100 ms", time_ms=100,
             messages={"sluice": 5000, "go": 5000, "sqs-consumer-15": 5000, "boto3-pool": 5000}),
    Scenario("mixed", "90% take 100 ms, 10% take 1 s", time_ms=100, slow_share=0.1, slow_time_ms=1000, seed=1,
             messages={"sluice": 4000, "go": 4000, "sqs-consumer-15": 4000, "boto3-pool": 4000},
             once=("sqs-consumer", "boto3")),
]


class Server:
    """sluice-localaws on a processor of its own, with one queue."""

    def __init__(self, folder, cpu):
        self.process = harness.LocalAws(folder, verify=False)
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            os.sched_setaffinity(int(task), {cpu})
        go_before_others(self.process.pid)
        self.url = self.process.url
        self.queue_url = common.call(self.url, "CreateQueue", QueueName=common.QUEUE)["QueueUrl"]
        address = urlsplit(self.url)
        self.connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)

    def stats(self, method="GET"):
        self.connection.request(method, "/_localaws/stats")
        return json.loads(self.connection.getresponse().read())

    def queue(self):
        return self.stats()["queues"][common.QUEUE]

    def wait(self, client, condition, what):
        deadline = time.monotonic() + GUARD_S
        while not condition(queue := self.queue()):
            if not client.alive():
                raise Failed(f"{client.name} ended with {client.popen.returncode}: {client.stderr()[-300:]}")
            if time.monotonic() > deadline:
                raise Failed(f"gave up waiting for {what} after {GUARD_S} s: {queue}, {client.stderr()[-300:]}")
            time.sleep(LOOK_S)

    def hold_until_all_are_due(self, requests, delay_s, count):
        """Sends, and returns with the server stopped and every message due the moment it goes on."""
        began = time.monotonic()
        common.send(self.url, requests)
        ended = time.monotonic()
        if ended - began > delay_s - 0.2 or self.queue()["delayed"] != count:
            raise Failed(f"sending {count} messages took {ended - began:.1f} s of the {delay_s} s that they are delayed")
        self.stats("DELETE")
        time.sleep(max(0, began + delay_s - 0.1 - time.monotonic()))
        self.process.signal(signal.SIGSTOP)
        time.sleep(max(0, ended + delay_s + 0.02 - time.monotonic()))


def core_busy_s(cpu):
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        fields = line.split()
        if fields[0] == f"cpu{cpu}":
            return (sum(map(int, fields[1:4])) + sum(map(int, fields[6:9]))) / os.sysconf("SC_CLK_TCK")
    return 0.0


def go_before_others(pid):
    """What else runs on the machine shall disturb little; root only."""
    try:
        os.setpriority(os.PRIO_PROCESS, pid, -15)
    except PermissionError:
        pass


def start(client, scenario, server, cpu, folder, telemetry):
    env = client.environment(server.url, server.queue_url, scenario)
    if client.has_telemetry:
        env["SLUICE_TELEMETRY_FD"] = str(telemetry.fileno())

    def in_child():
        os.sched_setaffinity(0, {cpu})
        go_before_others(0)

    return harness.Process(client.argv(scenario), folder, env, name=client.name, start_new_session=True,
                           preexec_fn=in_child, pass_fds=[telemetry.fileno()] if client.has_telemetry else [])


def waiting_max(stream):
    """The most messages that waited for a thread when the worker told, every second; None: it told nothing."""
    data = b""
    try:
        while more := stream.recv(65536, socket.MSG_DONTWAIT):
            data += more
    except BlockingIOError:
        pass
    lines = [json.loads(line) for line in data.split(b"\n")[:-1]]
    return max((line["held"] - line["busy"] for line in lines if line["type"] == "stats"), default=None)


def end(process):
    """TERM, and KILL for the session of one that does not go: some clients leave only when their polls are over."""
    if process.alive():
        process.signal(signal.SIGTERM)
        try:
            process.wait(2)
        except Exception:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def figures(scenario, bodies, queue, calls, cpu, rss):
    """Of the stats of the measured part, and of what was taken from the client's process."""
    count = len(bodies)
    wall_s = (queue["last_delete_us"] - queue["first_receive_us"]) / 1e6
    best_s = scenario.best_s(bodies)
    ours = {op: n for op, n in calls.items() if op.startswith(("Receive", "Delete", "Change"))}
    row = {
        "messages": count, "wall_s": round(wall_s, 4), "msgs_per_s": round(count / wall_s, 1),
        "cpu_s_per_1000": round(cpu["client"] / count * 1000, 6), "msgs_per_cpu_s": round(count / cpu["client"], 1),
        "client_core_share": round(cpu["client"] / wall_s, 3),
        "server_cpu_s_per_1000": round(cpu["server"] / count * 1000, 6),
        "others_on_client_core": round(max(0.0, cpu["core"] - cpu["client"]) / wall_s, 3),
        "calls_per_1000": round(sum(ours.values()) / count * 1000, 1), "calls": ours,
        "p50_us": queue["held_us"]["p50"], "p99_us": queue["held_us"]["p99"],
        "in_flight_max": queue["in_flight_max"], "received_again": queue["received"] - count, **rss,
    }
    if best_s > 0:
        row["of_best_schedule"] = round(best_s / wall_s, 4)
        row["of_limit"] = round(sum(scenario.times_s(bodies)) / scenario.threads / wall_s, 4)
    return row


def measure(client, scenario, count, cpus, folder):
    bodies = [client.body(i, scenario.body_bytes) for i in range(count)]
    warm_up = min(count, WARM_UP["wait" if scenario.time_ms else "noop"])
    delay_s = 2 + len(bodies[0]) * count // (100 << 20) + count // 40000
    server = Server(folder, cpus[0])
    process = None
    ours, theirs = socket.socketpair()
    try:
        requests = common.send_requests(server.queue_url, bodies, delay_s)
        process = start(client, scenario, server, cpus[1], folder, theirs)
        server.wait(process, lambda q: q["waiting_receives"] > 0, "its first receive")
        time.sleep(0.2)
        idle_rss, idle_dirty = common.memory(process.pid)
        common.send(server.url, common.send_requests(server.queue_url, bodies[:warm_up]))
        server.wait(process, lambda q: q["deleted"] >= warm_up and q["waiting_receives"] > 0, "the warm-up")
        server.hold_until_all_are_due(requests, delay_s, count)
        before = {"client": common.cpu_s(process.pid), "server": common.cpu_s(server.process.pid),
                  "core": core_busy_s(cpus[1])}
        server.process.signal(signal.SIGCONT)
        server.wait(process, lambda q: q["deleted"] >= count, "the drain")
        after = {"client": common.cpu_s(process.pid), "server": common.cpu_s(server.process.pid),
                 "core": core_busy_s(cpus[1])}
        stats = server.stats()
        rss = {"idle_rss_kib": idle_rss, "idle_private_dirty_kib": idle_dirty,
               "peak_rss_kib": common.peak_rss(process.pid)}
        waiting = waiting_max(ours)
        if waiting is not None:
            rss["waiting_max"] = waiting
        return figures(scenario, bodies, stats["queues"][common.QUEUE], stats["calls"],
                       {key: after[key] - before[key] for key in before}, rss)
    finally:
        ours.close()
        theirs.close()
        server.process.signal(signal.SIGCONT)
        if process is not None:
            end(process)
        server.connection.close()
        server.process.kill()
