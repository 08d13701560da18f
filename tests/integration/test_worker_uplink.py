"""Telemetry of sluice-worker by HTTP, against a stand-in for the supervisor that is also away, slow, or of another mind."""
import http.server
import json
import signal
import socket
import sys
import threading

import pytest

from harness import wait_until
from worker_harness import COUNTERS, GAUGES, Shop, Worker, ledger

TOKEN = "0123456789abcdef-right"
ARN = "arn:aws:ecs:us-east-1:123456789012:task/shop/0123456789abcdef0123456789abcdef"


class Sink:
    """Takes POSTs of lines and answers with `status` and control lines; GET .../task tells an ARN, as the agent does."""

    def __init__(self, port=0):
        self.posts, self.asked = [], []
        self.status, self.controls = 200, []
        self.token = None
        self.go = threading.Event()  # POSTs wait for it
        self.go.set()
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60

            def do_POST(self):  # noqa: N802
                body = self.rfile.read(int(self.headers["Content-Length"]))
                sink.posts.append((self.path, self.headers["Authorization"], [json.loads(x) for x in body.splitlines()]))
                sink.go.wait(60)
                known = sink.token is None or self.headers["Authorization"] == f"Bearer {sink.token}"
                self.answer(sink.status if known else 401, "".join(json.dumps(c) + "\n" for c in sink.controls))

            def do_GET(self):  # noqa: N802
                sink.asked.append(self.path)
                self.answer(sink.status, json.dumps({"TaskARN": ARN, "Cluster": "shop"}))

            def answer(self, status, text):
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def lines(self, kind):
        return [line for _, _, lines in list(self.posts) for line in lines if line["type"] == kind]

    def wait_stats(self, condition, what="stats"):
        return wait_until(lambda: next((s for s in reversed(self.lines("stats")) if condition(s)), None), what=what)

    def close(self):
        self.go.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def sink():
    made = []

    def make(**options):
        made.append(Sink(**options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def start(spawn, localaws, tmp_path, url, orders=0, args=(), **env):
    shop = Shop(localaws, tmp_path, speed=10)
    if orders:
        shop.send_orders(orders)
    env = {"PAYMENT_TIME": "100ms", "SLUICE_TELEMETRY_URL": f"{url}/v1/telemetry/orders", **env}
    return shop, Worker(spawn, tmp_path, shop.queue_url, shop.env(**env), args, telemetry=False)


def logs(worker, word):
    return [line for line in worker.process.logs() if word in line["message"]]


def test_every_post_says_who_and_how(spawn, localaws, tmp_path, sink):
    sink = sink()
    shop, worker = start(spawn, localaws, tmp_path, sink.url, 20, SLUICE_TELEMETRY_TOKEN=TOKEN,
                         ECS_CONTAINER_METADATA_URI_V4=f"{sink.url}/v4/0123")
    sink.wait_stats(lambda s: s["completed"] == 20)
    wait_until(lambda: sink.lines("hist"), what="distributions")
    worker.finish()
    assert sink.asked == ["/v4/0123/task"]
    for path, authorization, lines in sink.posts:
        assert path == "/v1/telemetry/orders" and authorization == f"Bearer {TOKEN}"
        assert [line["type"] for line in lines[:2]] == ["ready", "stats"]
        assert lines[0]["task"] == ARN and lines[0]["worker"] == "worker" and lines[0]["pid"] == worker.pid
        assert set(COUNTERS + GAUGES) <= lines[1].keys()
    assert len({lines[0]["started_ms"] for _, _, lines in sink.posts}) == 1
    assert len(ledger(tmp_path)) == 20
    assert TOKEN not in worker.process.stderr()


def test_the_last_post_says_bye(spawn, localaws, tmp_path, sink):
    # It may delay the end by half a real second, which a busy machine may miss: then the next worker says it.
    for _ in range(5):
        to = sink()
        _, worker = start(spawn, localaws, tmp_path, to.url)
        to.wait_stats(lambda s: s["state"] == "running")
        worker.finish()
        if to.lines("bye"):
            break
    assert to.posts[-1][2][-1] == {"v": 1, "type": "bye", "reason": "drained", "returned": 0}
    assert to.posts[-1][2][1]["state"] == "draining"


def test_a_reply_carries_control_lines(spawn, localaws, tmp_path, sink):
    sink = sink()
    sink.controls = [{"v": 1, "type": "limit", "capacity": 2}]
    _, worker = start(spawn, localaws, tmp_path, sink.url)
    sink.wait_stats(lambda s: s["capacity"] == 2, "the limit to be kept")
    worker.finish()


def test_a_supervisor_that_is_away_drains_nobody_and_is_found_when_it_comes(spawn, localaws, tmp_path, sink):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    shop, worker = start(spawn, localaws, tmp_path, f"http://127.0.0.1:{port}", 20)
    shop.wait_empty(worker)
    wait_until(lambda: logs(worker, "does not reach"), what="the report")
    back = sink(port=port)
    back.wait_stats(lambda s: s["completed"] == 20)
    worker.finish()
    assert logs(worker, "does not reach")[0]["reason"] == "ConnectFailed"
    assert back.lines("bye")


def test_a_supervisor_that_hangs_holds_up_neither_messages_nor_the_end(spawn, localaws, tmp_path, sink):
    sink = sink()
    sink.go.clear()
    shop, worker = start(spawn, localaws, tmp_path, sink.url, 40)
    wait_until(lambda: sink.posts, what="a POST")
    shop.wait_empty(worker)
    worker.process.signal(signal.SIGTERM)
    assert worker.process.wait(30) == 0
    assert len(ledger(tmp_path)) == 40


def test_a_refused_token_is_read_again_from_its_file(spawn, localaws, tmp_path, sink):
    sink = sink()
    sink.token = TOKEN
    path = tmp_path / "token"
    path.write_text("0123456789abcdef-wrong\n")
    # Replaced before the worker hears of the refusal, so that it finds the new one when it looks.
    sink.go.clear()
    _, worker = start(spawn, localaws, tmp_path, sink.url, SLUICE_TELEMETRY_TOKEN_FILE=str(path))
    wait_until(lambda: sink.posts, what="a POST")
    path.write_text(TOKEN + "\n")
    sink.go.set()
    wait_until(lambda: logs(worker, "telemetry is taken"), what="the new token to be used")
    worker.finish()
    assert [p[1] for p in sink.posts][:2] == ["Bearer 0123456789abcdef-wrong", f"Bearer {TOKEN}"]
    assert logs(worker, "refuses our telemetry")[0]["reason"] == "HTTP 401"


def test_an_agent_that_knows_nothing_costs_the_arn_only(spawn, localaws, tmp_path, sink):
    sink, agent = sink(), sink()
    agent.status = 500
    _, worker = start(spawn, localaws, tmp_path, sink.url, ECS_CONTAINER_METADATA_URI_V4=f"{agent.url}/v4/1")
    ready = wait_until(lambda: sink.lines("ready"), what="ready")[0]
    worker.finish()
    assert len(agent.asked) == 5 and "task" not in ready and ready["worker"] == "worker"


@pytest.mark.parametrize("env, text", [
    ({"SLUICE_TELEMETRY_URL": "http://8.8.8.8/v1/telemetry/x"}, "want https, or http to a host, link or private network"),
    ({"SLUICE_TELEMETRY_TOKEN": TOKEN, "SLUICE_TELEMETRY_TOKEN_FILE": "/x"}, "want one of them"),
    ({"SLUICE_TELEMETRY_TOKEN": "short-one"}, "SLUICE_TELEMETRY_TOKEN: a token of 9 characters"),
    ({"SLUICE_TELEMETRY_TOKEN_FILE": "/does/not/exist"}, "SLUICE_TELEMETRY_TOKEN_FILE: "),
    ({"SLUICE_TELEMETRY_INTERVAL": "10ms"}, "SLUICE_TELEMETRY_INTERVAL"),
])
def test_wrong_settings_are_said(spawn, localaws, tmp_path, env, text):
    _, worker = start(spawn, localaws, tmp_path, "http://127.0.0.1:1", **env)
    assert worker.process.wait(60) in (64, 78)
    assert text in worker.process.stderr() and TOKEN not in worker.process.stderr()


def test_the_token_is_not_for_handler_programs(spawn, localaws, tmp_path, sink):
    sink = sink()
    out = tmp_path / "env"
    code = f"import os; open({str(out)!r}, 'w').write(repr(dict(os.environ)))"
    shop, worker = start(spawn, localaws, tmp_path, sink.url, 1, ["--handler", "exec", "--", sys.executable, "-c", code],
                         SLUICE_TELEMETRY_TOKEN=TOKEN)
    shop.wait_empty(worker)
    worker.finish()
    assert out.exists() and TOKEN not in out.read_text()
