"""Telemetry of ECS tasks: real workers POST it to a real supervisor, which protects the busy ones before it scales in."""
import http.client
import json
import signal
import socket
import threading

import pytest

import harness
from ecs_world import QUICK, make, scaling  # noqa: F401, fixtures
from harness import BIN, wait_until
from supervisor_harness import Supervisor, run_sluice, write_configuration

TOKEN = "0123456789abcdef-right"
# A worker's handler that ends when the test says so, and tells who began what and ended it.
HOLDER = """echo "start $SQS_MESSAGE_ID $ECS_CONTAINER_METADATA_URI_V4" >> "$BOOK"
while [ ! -e "$GO" ]; do sleep 0.05; done
echo "end $SQS_MESSAGE_ID" >> "$BOOK"
"""


class Relay:
    """An address that stays while the supervisor behind it comes and goes."""

    def __init__(self):
        self.port = None  # of the supervisor; None: there is none
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.port)) if self.port else None
            except OSError:
                server = None
            if server is None:
                client.close()
                continue
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    @staticmethod
    def _copy(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()


class Fleet:
    """A service of real workers, whose telemetry goes to `supervisor` once there is one."""

    def __init__(self, world, tmp_path):
        self.world, self.folder, self.relay = world, tmp_path, Relay()
        self.book, self.go, self.token = tmp_path / "book", tmp_path / "go", tmp_path / "token"
        self.token.write_text(TOKEN + "\n")
        self.supervisor = None

    def create(self, desired, command, stop_timeout=120, **environment):
        environment = {"SQS_QUEUE_URL": self.world.queue_url, "NUM_WORKERS": "5", "BOOK": self.book, "GO": self.go,
                       "SLUICE_TELEMETRY_URL": f"{self.relay.url}/v1/telemetry/orders",
                       "SLUICE_TELEMETRY_TOKEN_FILE": self.token, "SLUICE_TELEMETRY_INTERVAL": "1s", **environment}
        self.world.ecs.register([BIN / "sluice-worker", *command], stop_timeout=stop_timeout, environment=environment)
        self.world.ecs.call("CreateService", serviceName="orders", taskDefinition="worker", desiredCount=desired)
        self.world.ecs.wait_running(desired)

    def hold(self, desired, **more):
        """Workers that hold what they get until release(), do not protect themselves, and leave soon when told to."""
        self.create(desired, ["--task-protection", "off", "--handler", "exec", "--exec-timeout", "0", "--", "sh", "-c", HOLDER],
                    SLUICE_STOP_GRACE="1s", stop_timeout=2, **more)

    def release(self):
        self.go.touch()

    def rows(self, word):
        text = self.book.read_text() if self.book.exists() else ""
        return [line.split()[1:] for line in text.splitlines() if line.startswith(word + " ")]

    def send_held(self, count):
        """Messages one by one, so that several tasks get some; returns the tasks that hold them."""
        for i in range(count):
            self.world.send(1)
            wait_until(lambda n=i: len(self.rows("start")) > n, what="the message to be begun")
        return {task for _, task in self.rows("start")}

    def supervise(self, name="sluice", minimum=2, maximum=8, policy=None, **fleet):
        world = self.world
        config = world.configuration(minimum=minimum, maximum=maximum, policy=policy, **fleet)
        config["telemetry"] = {"listen": "127.0.0.1:0", "token_file": str(self.token)}
        self.supervisor = Supervisor(self.folder, config, world.environment(), name=name)
        world.started.append(self.supervisor)
        self.relay.port = self.supervisor.status()["telemetry"]["port"]
        return self.supervisor

    def wait_covered(self, workers):
        return self.supervisor.wait_fleet(
            lambda f: f["telemetry"]["covers_all"] and f["telemetry"]["workers_reporting"] == workers,
            f"telemetry of {workers} workers")


@pytest.fixture
def fleet(make, tmp_path):  # noqa: F811
    made = []

    def start(**options):
        made.append(Fleet(make(tasks="run", latency="100ms", **options), tmp_path))
        return made[-1]

    yield start
    for each in made:
        each.go.touch()
        each.relay.close()


def post(supervisor, path="/v1/telemetry/orders", token=TOKEN, body=b"", method="POST"):
    connection = http.client.HTTPConnection("127.0.0.1", supervisor.status()["telemetry"]["port"], timeout=60)
    connection.request(method, path, body, {"Authorization": f"Bearer {token}"} if token else {})
    reply = connection.getresponse()
    reply.read()
    connection.close()
    return reply.status


def line(**members):
    return json.dumps({"v": 1, **members}).encode() + b"\n"


def test_busy_tasks_outlive_a_scale_in(fleet):
    shop = fleet()
    shop.hold(8)
    holders = shop.send_held(4)
    supervisor = shop.supervise()
    shop.world.wait_desired(2)
    left = max(2, len(holders))
    state = supervisor.wait_fleet(lambda f: f["service"]["running_count"] == left and
                                  f["protection"]["kept_above_desired"] == (left > 2), f"{left} tasks that are left")
    assert state["protection"]["granted"] >= len(holders)
    assert state["telemetry"]["busy_workers"] == len(holders)
    # Every task that was stopped was idle.
    running = {f"{shop.world.server.url}/v4/{t['taskArn'].rsplit('/', 1)[1]}" for t in shop.world.ecs.tasks()}
    assert holders <= running
    shop.release()
    wait_until(lambda: len(shop.rows("end")) == 4, what="the messages to be handled")
    supervisor.wait_fleet(lambda f: f["service"]["running_count"] == 2 and f["protection"]["by_us"] == 0,
                          "the minimum, and all protection given back")
    assert len(shop.rows("start")) == 4 and len({m for m, _ in shop.rows("start")}) == 4
    assert {t["containers"][0]["exitCode"] for t in shop.world.ecs.stopped(6)} == {0}
    assert shop.world.sqs.counts(shop.world.queue_url) == (0, 0)


def test_what_ecs_does_not_protect_holds_the_count_and_then_only_the_idle_go(fleet):
    shop = fleet()
    shop.world.server.faults("POST", {"operation": "UpdateTaskProtection", "kind": "error",
                                      "code": "AccessDeniedException", "status": 400})
    shop.hold(8)
    holders = shop.send_held(3)
    supervisor = shop.supervise(protect_wait="20s")
    held = supervisor.wait_fleet(lambda f: f["protection"]["order_waits_for"] == "busy_tasks_without_protection"
                                 and f["protection"]["busy_unprotected"] == len(holders), "the order to wait")
    assert held["service"]["order_pending"]
    wait_until(lambda: supervisor.messages("busy tasks could not be protected in time: the desired count falls by the "
                                           "idle ones alone"), what="the wait to be over")
    # By the idle ones, no further: 8 - idle, as long as somebody is busy.
    shop.world.ecs.wait(lambda s: s["desiredCount"] < 8, what="the idle ones to go")
    assert "AccessDenied" in (supervisor.fleet()["protection"]["error"] or "")
    shop.release()
    shop.world.wait_desired(2)
    assert not [m for m in supervisor.messages("cannot set the service's desired count, trying again")]


def test_readings_of_all_tasks_make_busy_known(fleet):
    shop = fleet()
    shop.create(2, ["--handler", "noop", "--noop-time", "1s"])
    supervisor = shop.supervise(policy={**QUICK, "scale_out_above": 1000})
    state = shop.wait_covered(2)
    assert state["ready"] == 2 and {w["state"] for w in state["workers"]} == {"ready"}
    words = run_sluice("status", "--socket", supervisor.socket, env=shop.world.environment())
    assert words.returncode == 0 and "tasks    2 of 2 report, 0 silent" in words.stdout, words.stdout + words.stderr
    shop.world.send(30)
    done = supervisor.wait_fleet(lambda f: f["totals"]["completed"] == 30 and "handle_ms" in f["times"], "30 messages")
    assert done["times"]["handle_ms"]["count"] <= 30 and done["telemetry"]["bad_posts"] == 0
    records = [r["obs"] for r in supervisor.journal() if "obs" in r]
    assert any(o["busy"] and o["busy"]["value"] > 0 for o in records)
    assert {o["worker_capacity"]["value"] for o in records if o["worker_capacity"]} == {5}
    # A third task that runs and says nothing: busy is unknown again, not smaller.
    shop.world.ecs.register([harness.BIN / "sluice-worker"], environment={"SQS_QUEUE_URL": shop.world.queue_url})
    before = len(supervisor.journal())
    shop.world.ecs.call("UpdateService", service="orders", taskDefinition="worker", desiredCount=2,
                        forceNewDeployment=True)
    shop.world.ecs.wait(lambda s: [d["rolloutState"] for d in s["deployments"]] == ["COMPLETED"], what="the rollout")
    supervisor.wait_fleet(lambda f: f["telemetry"]["workers_reporting"] == 0, "silence")
    last = wait_until(lambda: [r["obs"] for r in supervisor.journal()[before:] if "obs" in r][-1:], what="a decision")
    wait_until(lambda: [r["obs"] for r in supervisor.journal() if "obs" in r][-1]["busy"] is None, what="busy unknown")
    assert last and supervisor.fleet()["totals"]["completed"] == 30  # sums stay


def test_a_supervisor_that_dies_costs_no_worker_and_hears_them_again(fleet):
    shop = fleet()
    shop.create(2, ["--handler", "noop", "--noop-time", "100ms"])
    first = shop.supervise(policy={**QUICK, "scale_out_above": 1000})
    shop.wait_covered(2)
    shop.world.send(20)
    first.wait_fleet(lambda f: f["totals"]["completed"] == 20, "20 messages")
    tasks = {t["taskArn"] for t in shop.world.ecs.tasks()}
    first.signal(signal.SIGKILL)
    first.popen.wait()
    shop.relay.port = None
    shop.world.send(20)
    wait_until(lambda: shop.world.sqs.counts(shop.world.queue_url) == (0, 0), 60, "the queue to be empty")
    second = shop.supervise("second", policy={**QUICK, "scale_out_above": 1000})
    state = shop.wait_covered(2)
    assert {w["name"] for w in state["workers"]} == tasks
    # What they had done before is none of this supervisor's sums.
    shop.world.send(5)
    second.wait_fleet(lambda f: f["totals"]["completed"] == 5, "5 messages")
    assert {t["taskArn"] for t in shop.world.ecs.tasks()} == tasks


def test_who_may_post(fleet):
    shop = fleet()
    shop.world.create(2)
    supervisor = shop.supervise()
    ready = line(type="ready", worker="w-1", pid=1, threads=5, capacity=5)
    assert post(supervisor, body=ready) == 200
    assert post(supervisor, body=ready, token=None) == 401
    assert post(supervisor, body=ready, token=TOKEN[:-1]) == 401
    assert post(supervisor, body=ready, path="/v1/telemetry/other") == 404
    assert post(supervisor, body=ready, path="/v1/status") == 404
    assert post(supervisor, body=b"nonsense\n") == 400
    assert post(supervisor, body=b"x" * 100_000) == 413
    assert post(supervisor, method="GET") == 405
    told = supervisor.status()["telemetry"]
    assert (told["unauthorized"], told["no_fleet"], told["bad"], told["posts"]) == (2, 1, 1, 1)
    assert told["token"] is True and TOKEN not in json.dumps(supervisor.status()) + supervisor.stderr()
    # A new token is read as soon as somebody bears it.
    shop.token.write_text("fedcba9876543210-new\n")
    wait_until(lambda: post(supervisor, body=ready, token="fedcba9876543210-new") == 200, what="the new token")
    assert post(supervisor, body=ready) == 401


def test_a_container_has_configuration_and_token_in_its_environment(fleet):
    shop = fleet()
    shop.world.create(2)
    config = shop.world.configuration()
    config["telemetry"] = {"listen": "127.0.0.1:0", "token_env": "SLUICE_TELEMETRY_TOKEN"}
    env = {**shop.world.environment(), "SLUICE_TELEMETRY_TOKEN": TOKEN}
    supervisor = Supervisor(shop.folder, config, env, in_environment=True)
    shop.world.started.append(supervisor)
    ready = line(type="ready", worker="w-1", pid=1, threads=5, capacity=5)
    assert post(supervisor, body=ready) == 200
    assert post(supervisor, body=ready, token=TOKEN[:-1]) == 401
    # Whoever has that environment finds the socket by it, as in a container.
    done = run_sluice("health", "--config", "env:SLUICE_CONFIG", env={**env, "SLUICE_CONFIG": json.dumps(config)})
    assert (done.returncode, done.stdout) == (0, "ok\n"), done


@pytest.mark.parametrize("section, text", [
    ({"listen": "0.0.0.0:9401"}, 'telemetry.listen: "0.0.0.0:9401": want a loopback address, or telemetry.token_file'),
    ({"listen": "nowhere"}, "telemetry.listen"),
    ({"token_file": "/run/token"}, "want telemetry.listen, too"),
    ({"listen": "127.0.0.1:0", "token_file": "token"}, "want an absolute path"),
    ({"listen": "127.0.0.1:0", "stale_after": "1s"}, "telemetry.stale_after"),
    ({"listen": "127.0.0.1:0", "token_file": "/does/not/exist"}, "telemetry.token_file: "),
    ({"listen": "127.0.0.1:0", "token_env": "NOT_SET"}, 'telemetry.token_env: "NOT_SET": want a variable of the environment'),
])
def test_a_wrong_section_is_refused_by_check_and_run(make, section, text):  # noqa: F811
    world = make()
    config = {**world.configuration(), "telemetry": section}
    path = write_configuration(world.folder, config)
    for command in ("check", "run"):
        done = run_sluice(command, "--config", path, env=world.environment())
        assert done.returncode == 78 and text in done.stderr, done.stderr
