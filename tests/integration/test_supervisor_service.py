"""The supervisor as a service: health, readiness, metrics, admin.listen, systemd's notifications, process 1."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
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
    supervisor = world.supervise(scripted(), queue={"poll": "1s"}, policy={"stale_after": "2s"}, **LISTEN)
    url = base_url(supervisor)
    wait_until(lambda: ask(url + "/readyz")[0] == 200, what="readiness")
    code, text, headers = ask(url + "/readyz")
    assert headers["Content-Type"] == "application/json"
    assert json.loads(text) == {"status": "ready", "role": "leader", "fleets": 1, "fleets_fresh": 1}
    world.server.kill()
    wait_until(lambda: ask(url + "/readyz")[0] == 503, what="the loss of readiness")
    answer = json.loads(ask(url + "/readyz")[1])
    assert answer["status"] == "not ready" and answer["fleets_fresh"] == 0
    [reason] = answer["reasons"]
    assert re.fullmatch(r"fleet orders: its queue was read [\d.]+ s ago, 2.0 s are allowed", reason)
    code, text, _ = ask(url + "/healthz")
    assert code == 200 and json.loads(text)["status"] == "ok"
    samples = wait_until(
        lambda: (lambda found: found if labelled(found, "sluice_aws_requests_total", operation="GetQueueAttributes",
                                                 outcome="transient") > 0 else None)(
            parse_prometheus(ask(url + "/metrics")[1])), what="failed requests to be counted")
    # The depth is unknown now, and left out; its age goes on.
    assert not samples.get("sluice_fleet_visible")
    assert labelled(samples, "sluice_fleet_sensor_age_seconds", fleet="orders") > 2


def test_a_share_of_fresh_fleets_is_enough_when_the_configuration_says_so(world):
    lost = dict(world.configuration(scripted(), name="lost")["fleets"][0])
    lost["queue"] = {"name": "no-such-queue", "poll": "1s"}
    config = world.configuration(scripted(), admin={"listen": "127.0.0.1:0", "ready_share": 0.5})
    config["fleets"].append(lost)
    supervisor = Supervisor(world.folder, config, world.environment())
    world.started.append(supervisor)
    url = base_url(supervisor)
    wait_until(lambda: ask(url + "/readyz")[0] == 200, what="readiness with one of two")
    assert json.loads(ask(url + "/readyz")[1])["fleets_fresh"] == 1
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
    assert f"admin.listen {address}: Address already in use" in done.stderr
    config["admin"]["listen"] = "localhost"
    path.write_text(json.dumps(config))
    done = run_sluice("check", "--offline", "--config", path, env=world.environment())
    assert done.returncode == 78
    assert "admin.listen localhost: want HOST:PORT" in done.stderr + done.stdout
