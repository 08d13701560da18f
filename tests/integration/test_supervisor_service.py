"""The supervisor as a service: health, readiness, metrics, admin.listen, systemd's notifications, process 1."""
import errno
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import pytest

import harness
from harness import BIN, wait_until
from prometheus_text import check_with_promtool, parse_prometheus
from supervisor_harness import Supervisor, World, run_sluice, scripted, world  # noqa: F401  (a fixture)

LISTEN = {"admin": {"listen": "127.0.0.1:0"}}


def ask(url, method="GET", body=None):
    """(code, text, headers) of a request, whatever the code."""
    request = urllib.request.Request(url, data=body, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, reply.read().decode(), reply.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def base_url(supervisor):
    return "http://" + supervisor.status()["admin"]["listen"]


def wait_readyz(url, code):
    """(text, headers) of the first answer with that code."""
    def answer():
        got = ask(url + "/readyz")
        return got[1:] if got[0] == code else None

    return wait_until(answer, what=f"/readyz to answer {code}", timeout_s=60)


def labelled(samples, name, **labels):
    """The one sample of that name that has these labels, whatever others it has."""
    found = [value for of, value in samples[name].items() if labels.items() <= dict(of).items()]
    assert len(found) == 1, (name, labels, samples.get(name))
    return found[0]


def test_metrics_keep_prometheus_rules_and_tell_what_status_tells(world):
    supervisor = world.supervise(scripted(), **LISTEN)
    supervisor.wait_ready(2)
    world.sqs.send(world.queue_url, [str(i) for i in range(7)])
    supervisor.wait_fleet(lambda fleet: fleet["queue"]["visible"] == 7, "the depth to be seen")
    code, text, headers = ask(base_url(supervisor) + "/metrics")
    assert code == 200
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples = parse_prometheus(text)
    assert check_with_promtool(text)
    status = supervisor.status()
    assert labelled(samples, "sluice_build_info", version=status["version"]) == 1
    assert labelled(samples, "sluice_leader") == 1
    assert labelled(samples, "sluice_fleets") == 1
    for name, value in {"visible": 7, "in_flight": 0, "delayed": 0, "desired": 2, "ready": 2, "starting": 0, "stopping": 0,
                        "orphans": 0, "min": 2, "max": 6, "overridden": 0, "grown_total": 0}.items():
        assert labelled(samples, f"sluice_fleet_{name}", fleet="orders") == value, name
    assert 0 <= labelled(samples, "sluice_fleet_sensor_age_seconds", fleet="orders") < 1000
    # Nobody says how old the oldest message is: missing is not zero.
    assert not samples.get("sluice_fleet_oldest_age_seconds")
    assert sum(samples["sluice_fleet_decisions_total"].values()) >= 1
    assert labelled(samples, "sluice_aws_requests_total", service="sqs", operation="GetQueueAttributes", outcome="ok") >= 1
    assert labelled(samples, "sluice_aws_requests_total", service="sqs", operation="GetQueueAttributes", outcome="failed") == 0
    assert labelled(samples, "sluice_aws_request_seconds_count", operation="GetQueueAttributes") >= 1
    assert samples["process_resident_memory_bytes"][()] > 1 << 20
    assert samples["process_start_time_seconds"][()] > 1_600_000_000


def test_the_page_has_every_metric(world):
    supervisor = world.supervise(scripted(), **LISTEN)
    text = ask(base_url(supervisor) + "/metrics")[1]
    page = (pathlib.Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    told = re.findall(r"^# HELP (\S+) (.*)\n# TYPE \S+ (\S+)$", text, re.MULTILINE)
    assert [f"| `{name}` | {kind} | {words} |" for name, words, kind in told] == \
        re.findall(r"^\| `\w+` \| (?:counter|gauge|histogram) \| .* \|$", page, re.MULTILINE)


def test_growth_and_reasons_are_counted(world):
    supervisor = world.supervise(scripted(), **LISTEN)
    supervisor.wait_ready(2)
    world.sqs.send(world.queue_url, [str(i) for i in range(30)])
    supervisor.wait_fleet(lambda fleet: fleet["desired"] == 4, "growth")
    samples = parse_prometheus(ask(base_url(supervisor) + "/metrics")[1])
    assert labelled(samples, "sluice_fleet_grown_total", fleet="orders") == 1
    assert labelled(samples, "sluice_fleet_decisions_total", fleet="orders", reason="policy") == 1
    assert labelled(samples, "sluice_fleet_desired", fleet="orders") == 4


def test_a_dead_endpoint_is_not_ready_but_alive_and_its_requests_are_transient(world):
    supervisor = world.supervise(scripted(), queue={"poll": "1s"}, policy={"stale_after": "20s"}, **LISTEN)
    url = base_url(supervisor)
    text, headers = wait_readyz(url, 200)
    assert headers["Content-Type"] == "application/json"
    assert json.loads(text) == {"status": "ready", "role": "leader", "fleets": 1, "fleets_fresh": 1}
    world.server.kill()
    answer = json.loads(wait_readyz(url, 503)[0])
    assert answer["status"] == "not ready" and answer["fleets_fresh"] == 0
    [reason] = answer["reasons"]
    assert re.fullmatch(r"fleet orders: its queue was read [\d.]+ s ago, 20.0 s are allowed", reason)
    code, text, _ = ask(url + "/healthz")
    assert code == 200 and json.loads(text)["status"] == "ok"
    samples = wait_until(
        lambda: (lambda found: found if labelled(found, "sluice_aws_requests_total", operation="GetQueueAttributes",
                                                 outcome="transient") > 0 else None)(
            parse_prometheus(ask(url + "/metrics")[1])), what="failed requests to be counted")
    # The depth is unknown now, and left out; its age goes on.
    assert not samples.get("sluice_fleet_visible")
    assert labelled(samples, "sluice_fleet_sensor_age_seconds", fleet="orders") > 20


def test_a_share_of_fresh_fleets_is_enough_when_the_configuration_says_so(world):
    lost = dict(world.configuration(scripted(), name="lost")["fleets"][0])
    lost["queue"] = {"name": "no-such-queue", "poll": "1s"}
    config = world.configuration(scripted(), policy={"stale_after": "10m"}, admin={"listen": "127.0.0.1:0", "ready_share": 0.5})
    config["fleets"].append(lost)
    supervisor = Supervisor(world.folder, config, world.environment())
    world.started.append(supervisor)
    url = base_url(supervisor)
    assert json.loads(wait_readyz(url, 200)[0])["fleets_fresh"] == 1
    assert supervisor.stop() == 0
    config["admin"]["ready_share"] = 0.51
    stricter = Supervisor(world.folder, config, world.environment(), name="stricter")
    world.started.append(stricter)
    url = base_url(stricter)
    wait_until(lambda: json.loads(ask(url + "/readyz")[1])["fleets_fresh"] == 1, what="the first fleet's data")
    code, text, _ = ask(url + "/readyz")
    assert (code, json.loads(text)["reasons"]) == (503, ["fleet lost: its queue has not been read yet"])


def test_tcp_reads_and_never_orders(world):
    supervisor = world.supervise(scripted(), **LISTEN)
    url = base_url(supervisor)
    assert json.loads(ask(url + "/v1/status")[1])["pid"] == supervisor.popen.pid
    assert ask(url + "/v1/explain?fleet=orders")[0] == 200
    # What exists for POST alone does not exist here.
    code, text, _ = ask(url + "/v1/fleets/orders/scale", "POST", b'{"desired":5,"for":"1h","reason":"x"}')
    assert (code, json.loads(text)) == (404, {"error": "no such path"})
    code, _, headers = ask(url + "/v1/status", "POST", b"{}")
    assert (code, headers["Allow"]) == (405, "GET")
    assert supervisor.fleet()["desired"] == 2


def test_an_address_that_is_taken_or_is_none_ends_the_start(world, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        config = world.configuration(scripted(), admin={"listen": address})
        path = tmp_path / "taken.json"
        path.write_text(json.dumps(config))
        done = run_sluice("run", "--config", path, env=world.environment())
    assert done.returncode == 74
    assert re.search(f"admin.listen {re.escape(address)}: {harness.says(errno.EADDRINUSE)}", done.stderr)
    config["admin"]["listen"] = "localhost"
    path.write_text(json.dumps(config))
    done = run_sluice("check", "--offline", "--config", path, env=world.environment())
    assert done.returncode == 78
    assert "admin.listen localhost: want HOST:PORT" in done.stderr + done.stdout


# ---- sluice health ----


def test_health_is_one_line_and_an_exit_code(world, tmp_path):
    supervisor = world.supervise(scripted(), policy={"stale_after": "20s"}, **LISTEN)
    url = base_url(supervisor)
    wait_readyz(url, 200)
    ways = (["--admin", supervisor.socket], ["--admin", url], ["--admin", url + "/"], ["--config", supervisor.config_path])
    for way in ways:
        for more, word in (([], "ok\n"), (["--ready"], "ready\n")):
            done = run_sluice("health", *way, *more)
            assert (done.returncode, done.stdout, done.stderr) == (0, word, ""), way
    world.server.kill()
    wait_readyz(url, 503)
    done = run_sluice("health", "--admin", url, "--ready")
    assert done.returncode == 1
    assert re.fullmatch(r"not ready: fleet orders: its queue was read [\d.]+ s ago, 20.0 s are allowed\n", done.stdout)
    assert run_sluice("health", "--admin", url).returncode == 0
    # A supervisor that stands answers nothing, and the check does not wait for it.
    supervisor.signal(signal.SIGSTOP)
    done = run_sluice("health", "--admin", supervisor.socket, "--timeout", "100ms")
    supervisor.signal(signal.SIGCONT)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert f"no supervisor answers on {supervisor.socket}" in done.stderr
    supervisor.kill()
    for admin in (supervisor.socket, url, tmp_path / "nowhere"):
        done = run_sluice("health", "--admin", admin)
        assert (done.returncode, done.stdout) == (1, "") and "no supervisor answers" in done.stderr


def test_health_believes_only_a_supervisor(tmp_path):
    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>welcome</html>")

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = run_sluice("health", "--admin", f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert (done.returncode, done.stdout) == (1, "an answer that cannot be understood\n")
    assert run_sluice("health", "--timeout", "0s").returncode == 64


# ---- systemd ----


class Systemd:
    """The socket that NOTIFY_SOCKET names, emptied by a thread: who sends must not wait for the test."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.socket.bind(address)
        self.heard = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            self.heard.append(self.socket.recv(4096).decode().splitlines())

    def wait_for(self, condition, what):
        return wait_until(lambda: condition(list(self.heard)), what=f"{what} at the notify socket")


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_hears_ready_watchdog_and_stopping(world, tmp_path, abstract):
    name = f"sluice-test-{os.getpid()}-{tmp_path.name}"
    systemd = Systemd("\0" + name if abstract else str(tmp_path / "notify"))
    env = world.environment(NOTIFY_SOCKET="@" + name if abstract else str(tmp_path / "notify"), WATCHDOG_USEC="20000",
                            SLUICE_METRICS_LISTEN="127.0.0.1:1")
    supervisor = world.supervise(scripted("--dump", tmp_path / "dump"), env=env)
    systemd.wait_for(lambda heard: heard.count(["WATCHDOG=1"]) >= 5, "the watchdog")
    assert systemd.heard[0] == ["READY=1", "STATUS=supervising 1 fleet"]
    supervisor.wait_ready(2)
    supervisor.signal(signal.SIGTERM)
    systemd.wait_for(lambda heard: ["STOPPING=1", "STATUS=draining all workers"] in heard, "the end")
    assert supervisor.wait() == 0
    assert all(words == ["WATCHDOG=1"] or words[0] in ("READY=1", "STOPPING=1") for words in systemd.heard)
    for line in (tmp_path / "dump").read_text().splitlines():
        variables = json.loads(line.split(" ", 1)[1])
        assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "SLUICE_METRICS_LISTEN"} & set(variables)


def test_a_watchdog_of_another_process_is_not_fed(world, tmp_path):
    systemd = Systemd(str(tmp_path / "notify"))
    env = world.environment(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="20000", WATCHDOG_PID="1")
    supervisor = world.supervise(scripted(), env=env)
    supervisor.wait_ready(2)
    assert supervisor.stop() == 0
    systemd.wait_for(lambda heard: len(heard) >= 2, "two words")
    assert [words[0] for words in systemd.heard] == ["READY=1", "STOPPING=1"]


# ---- process 1 ----

NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


def namespace():
    """How to become process 1 here; skips where that is not permitted."""
    for command in (NAMESPACE, [*NAMESPACE, "--user", "--map-root-user"]):
        if shutil.which("unshare") and subprocess.run([*command, "true"], check=False, stdout=subprocess.DEVNULL,
                                                      stderr=subprocess.DEVNULL, timeout=60).returncode == 0:
            return command
    pytest.skip("this machine permits no process namespaces")


def children(pid):
    """{pid: state} of a process's children."""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rsplit(")", 1)[1].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == pid:
            found[int(path.parent.name)] = state
    return found


def first_of(process):
    """The process that is number 1 inside of a namespace that `process` (unshare) has made."""
    [pid] = wait_until(lambda: children(process.pid), what="process 1")
    assert "\t1\n" in wait_until(lambda: re.search(r"^NSpid:.*\n", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M),
                                 what="its number").group(0)
    return pid


# A daemon in its own session whose parent is gone at once; it ends when FILE is there.
LEAVE_A_DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in range(3):
            os.close(fd)
        while not os.path.exists(sys.argv[1]):
            time.sleep(0.01)
        os._exit(3)
    os._exit(0)
os.wait()
"""


def test_a_supervisor_as_process_1_reaps_strangers_and_heeds_term(world, tmp_path):
    command = namespace()
    config = world.configuration(scripted(), minimum=1)
    # The worker makes a daemon before it becomes the worker: nobody registers that with the supervisor.
    config["fleets"][0]["fleet"]["command"] = [
        sys.executable, "-S", "-c",
        LEAVE_A_DAEMON + "os.execv(sys.argv[2], sys.argv[2:])", str(tmp_path / "end"), *scripted()]
    path = tmp_path / "fleet.json"
    path.write_text(json.dumps(config))
    process = harness.Process([*command, BIN / "sluice", "run", "--config", path], tmp_path, world.environment(), name="one")
    world.started.append(process)
    first = first_of(process)
    asked = [BIN / "sluice", "status", "--socket", pathlib.Path(config["state_dir"]) / "admin.sock", "--json"]

    def status():
        done = subprocess.run(asked, env=world.environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60,
                              check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    wait_until(lambda: (status() or {"fleets": [{"ready": 0}]})["fleets"][0]["ready"] == 1, what="the worker", timeout_s=60)
    assert status()["pid"] == 1
    assert len(wait_until(lambda: len(children(first)) == 2 and children(first), what="worker and daemon")) == 2
    before = status()["strangers_reaped"]
    (tmp_path / "end").touch()
    wait_until(lambda: status()["strangers_reaped"] == before + 1, what="the daemon to be reaped", timeout_s=60)
    assert "Z" not in children(first).values()
    os.kill(first, signal.SIGTERM)
    assert process.wait() == 0


def test_a_worker_as_process_1_reaps_strangers_and_heeds_term(world, tmp_path):
    command = namespace()
    script = tmp_path / "daemon.py"
    script.write_text(LEAVE_A_DAEMON)
    handler = [sys.executable, "-S", str(script), str(tmp_path / "end")]
    env = world.environment(SQS_QUEUE_URL=world.queue_url, NUM_WORKERS="3")
    process = harness.Process([*command, BIN / "sluice-worker", "--handler", "exec", "--metrics-listen", "127.0.0.1:0", "--",
                               *handler], tmp_path, env, name="one")
    world.started.append(process)
    first = first_of(process)
    port = wait_until(lambda: next((line["port"] for line in process.logs() if line["message"] == "listening"), None),
                      what="the metrics port")
    world.sqs.send(world.queue_url, ["1", "2", "3"])
    metrics = lambda: parse_prometheus(ask(f"http://127.0.0.1:{port}/metrics")[1])  # noqa: E731
    wait_until(lambda: labelled(metrics(), "sluice_worker_deleted_total") == 3, what="three handled messages", timeout_s=60)
    wait_until(lambda: len(children(first)) == 3, what="three daemons")
    (tmp_path / "end").touch()
    wait_until(lambda: not children(first), what="the daemons to be reaped", timeout_s=60)
    assert labelled(metrics(), "sluice_worker_strangers_reaped_total") == 3
    os.kill(first, signal.SIGTERM)
    assert process.wait() == 0
