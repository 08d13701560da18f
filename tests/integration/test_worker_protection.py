"""ECS task scale-in protection of sluice-worker, against a stand-in for the container agent that also misbehaves.

What depends on long spans (least hold, renewal, pauses after misses) is tested in invented time by
tests/unit/worker/test_protection.c; here is what a real worker sends, and that messages never wait for it.
"""
import http.server
import json
import signal
import struct
import socket
import threading

import pytest

from harness import wait_until
from worker_harness import Shop, Worker

TASK = "arn:aws:ecs:us-east-1:123456789012:task/shop/0123456789abcdef"
PROTECT = {"ProtectionEnabled": True, "ExpiresInMinutes": 6}  # 30 s of visibility and grace, and 5 minutes
RELEASE = {"ProtectionEnabled": False}


class Agent:
    """Answers PUT /api/<id>/task-protection/v1/state as the container agent does, or in another way."""

    def __init__(self, mode="ok"):
        self.mode = mode
        self.calls = []
        self.released = threading.Event()  # lets "slow" answers go
        agent = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                agent.calls.append((self.path, self.headers["Content-Type"], json.loads(body)))
                agent.answer(self, json.loads(body))

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.uri = f"http://127.0.0.1:{self.server.server_address[1]}/api/0123456789"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, handler, wanted):
        if self.mode == "slow":
            self.released.wait(60)
        if self.mode == "reset":
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()
            handler.close_connection = True
            return
        status, body = {
            "500": (500, {"requestID": "r", "error": {"Code": "ServerException", "Message": "m"}}),
            "429": (429, {"requestID": "r", "error": {"Code": "ThrottlingException", "Message": "m"}}),
            "denied": (400, {"requestID": "r", "error": {"Code": "AccessDeniedException", "Message": "m"}}),
            "blocked": (200, {"failure": {"Arn": TASK, "Detail": "d", "Reason": "DEPLOYMENT_BLOCKED"}}),
        }.get(self.mode, (200, {"protection": {"ExpirationDate": None, "TaskArn": TASK,
                                               "ProtectionEnabled": wanted["ProtectionEnabled"]}}))
        data = json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def bodies(self):
        return [body for _, _, body in self.calls]

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def agent():
    made = []

    def make(mode="ok"):
        made.append(Agent(mode))
        return made[-1]

    yield make
    for each in made:
        each.close()


def start(spawn, localaws, tmp_path, uri, orders, args=(), payment_time="100ms", speed=10):
    """A worker at ten times real speed, with short payments."""
    shop = Shop(localaws, tmp_path, speed=speed)
    shop.send_orders(orders)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(ECS_AGENT_URI=uri, PAYMENT_TIME=payment_time), args)
    return shop, worker


class Lasting:
    """A worker with five orders that are in work until the test lets them go."""

    def __init__(self, spawn, localaws, tmp_path, uri, args=()):
        self.go = tmp_path / "go"
        wait = f'until [ -e "{self.go}" ]; do sleep 0.05; done'
        self.shop, self.worker = start(spawn, localaws, tmp_path, uri, 5, ["--handler", "exec", *args, "--", "sh", "-c", wait])

    def let_go(self):
        self.go.touch()

    def finish(self):
        """All is done, and the worker leaves."""
        self.let_go()
        self.wait_done()
        self.worker.finish()

    def wait_done(self):
        self.shop.wait_empty(self.worker)
        self.worker.wait_stats(lambda s: s["deleted"] == 5)


def protection_logs(worker):
    return [line for line in worker.process.logs() if "protect" in line["message"]]


def test_work_that_lasts_is_protected_and_the_drain_gives_it_back_last(spawn, localaws, tmp_path, agent):
    agent = agent()
    work = Lasting(spawn, localaws, tmp_path, agent.uri)
    wait_until(lambda: agent.calls, what="protection")
    work.worker.process.signal(signal.SIGTERM)
    work.let_go()
    assert work.worker.process.wait() == 0
    assert [call[:2] for call in agent.calls] == [("/api/0123456789/task-protection/v1/state", "application/json")] * 2
    assert agent.bodies() == [PROTECT, RELEASE]
    assert work.shop.counts() == (0, 0)


def test_short_work_asks_for_nothing(spawn, localaws, tmp_path, agent):
    agent = agent()
    # Short is less than a second without a pause: at real speed, and all slots at once, a busy machine is quick enough.
    shop, worker = start(spawn, localaws, tmp_path, agent.uri, 5, speed=1)
    shop.wait_empty(worker)
    worker.wait_stats(lambda s: s["deleted"] == 5)
    worker.finish()
    assert agent.calls == []


@pytest.mark.parametrize("mode, reason", [("500", "ServerException"), ("429", "ThrottlingException"),
                                          ("reset", "ConnectionLost")])
def test_an_agent_that_fails_is_tried_twice_and_costs_no_message(spawn, localaws, tmp_path, agent, mode, reason):
    agent = agent(mode)
    work = Lasting(spawn, localaws, tmp_path, agent.uri)
    wait_until(lambda: protection_logs(work.worker), what="the report")
    work.finish()
    # A call that was not answered may have worked: at the end, or when idle for long, it is released.
    bodies = agent.bodies()
    assert bodies[:2] == [PROTECT, PROTECT] and RELEASE in bodies[2:]
    line = protection_logs(work.worker)[0]
    assert line["level"] == "warning" and line["reason"] == reason


@pytest.mark.parametrize("mode, reason", [("blocked", "DEPLOYMENT_BLOCKED"), ("denied", "AccessDeniedException")])
def test_a_refusal_with_http_200_is_no_protection(spawn, localaws, tmp_path, agent, mode, reason):
    agent = agent(mode)
    work = Lasting(spawn, localaws, tmp_path, agent.uri, ["--emf"])
    wait_until(lambda: protection_logs(work.worker), what="the report")
    assert protection_logs(work.worker)[0]["reason"] == reason
    work.finish()
    # Neither a second try at once nor something to release.
    assert set(map(str, agent.bodies())) == {str(PROTECT)}
    refusals = sum(json.loads(line)["ProtectionRefusals"] for line in work.worker.process.stdout().splitlines())
    assert refusals == (len(agent.calls) if mode == "blocked" else 0)


def test_an_agent_that_hangs_holds_up_neither_messages_nor_the_end(spawn, localaws, tmp_path, agent):
    agent = agent("slow")
    work = Lasting(spawn, localaws, tmp_path, agent.uri)
    wait_until(lambda: agent.calls, what="protection to be asked for")
    work.let_go()
    work.wait_done()  # while the first call still hangs, or the second
    work.worker.process.signal(signal.SIGTERM)
    assert work.worker.process.wait(10) == 0  # the agent would take a minute
    assert agent.bodies()[0] == PROTECT and wait_until(lambda: agent.bodies()[-1] == RELEASE, what="the release")


def test_what_the_supervisor_says_after_bye_does_not_cut_the_release_short(spawn, localaws, tmp_path, agent):
    agent = agent("slow")
    work = Lasting(spawn, localaws, tmp_path, agent.uri)
    wait_until(lambda: agent.calls, what="protection to be asked for")
    work.let_go()
    work.wait_done()
    work.worker.process.signal(signal.SIGTERM)
    wait_until(lambda: work.worker.of_type("bye"), what="bye")
    work.worker.control({"v": 1, "type": "limit", "capacity": 3})
    assert work.worker.process.wait(10) == 0
    assert not any(line["message"] == "capacity limited" for line in work.worker.process.logs())


def test_nobody_answers_at_the_agents_address(spawn, localaws, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    work = Lasting(spawn, localaws, tmp_path, f"http://127.0.0.1:{port}/api/1")
    wait_until(lambda: protection_logs(work.worker), what="the report")
    assert protection_logs(work.worker)[0]["reason"] == "ConnectFailed"
    work.finish()


@pytest.mark.parametrize("uri, text", [
    ("http://example.org/api/1", "want http to a loopback or link-local host"),
    ("https://169.254.170.2/api/1", "want http to a loopback or link-local host"),
    ("http://169.253.170.2/api/1", "want http to a loopback or link-local host"),
    ("169.254.170.2/api/1", "ECS_AGENT_URI: "),
])
def test_an_address_that_ecs_would_not_set_is_said_and_ignored(spawn, localaws, tmp_path, uri, text):
    shop, worker = start(spawn, localaws, tmp_path, uri, 5)
    shop.wait_empty(worker)
    worker.finish()
    [line] = protection_logs(worker)
    assert line["message"] == "no task protection" and line["level"] == "warning" and text in line["error"]


def test_protection_can_be_off(spawn, localaws, tmp_path, agent):
    agent = agent()
    shop, worker = start(spawn, localaws, tmp_path, agent.uri, 5, ["--task-protection", "off"], payment_time="5s")
    shop.wait_empty(worker)
    worker.finish()
    assert agent.calls == [] and protection_logs(worker) == []
