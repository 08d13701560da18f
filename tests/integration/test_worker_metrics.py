"""What sluice-worker tells without a supervisor: Prometheus text over HTTP, CloudWatch lines on stdout, hist lines.

Both formats are checked by rules written from their specifications: Prometheus's "Exposition formats", text format
0.0.4, and Amazon CloudWatch's "Specification: Embedded metric format".
"""
import errno
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.request

import pytest

import harness
from harness import BIN, wait_until
from prometheus_text import check_with_promtool, parse_prometheus
from worker_harness import Shop, Worker, ledger

EMF_UNITS = {"Count", "Milliseconds", "Percent", "Seconds", "Bytes", "None"}


def check_emf(line):
    """One line against the specification; returns the document."""
    assert len(line.encode()) <= 1 << 20
    document = json.loads(line)
    metadata = document["_aws"]
    assert set(metadata) == {"Timestamp", "CloudWatchMetrics"}
    assert isinstance(metadata["Timestamp"], int) and metadata["Timestamp"] > 1_500_000_000_000
    for directive in metadata["CloudWatchMetrics"]:
        assert set(directive) == {"Namespace", "Dimensions", "Metrics"}
        assert 1 <= len(directive["Namespace"]) <= 1024
        assert len(directive["Dimensions"]) >= 1
        for dimensions in directive["Dimensions"]:
            assert 0 < len(dimensions) <= 30
            for name in dimensions:
                assert isinstance(document[name], str) and 1 <= len(document[name]) <= 1024 and len(name) <= 250
        names = [metric["Name"] for metric in directive["Metrics"]]
        assert 0 < len(names) <= 100 and len(set(names)) == len(names)
        for metric in directive["Metrics"]:
            assert set(metric) <= {"Name", "Unit", "StorageResolution"}
            assert metric["Unit"] in EMF_UNITS and 1 <= len(metric["Name"]) <= 255
            values = document[metric["Name"]]
            values = values if isinstance(values, list) else [values]
            assert 1 <= len(values) <= 100
            assert all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
    return document


def metrics_url(process, path="/metrics"):
    def look():
        return next((line for line in process.logs() if line["message"] == "listening"), None)

    return f"http://127.0.0.1:{wait_until(look, what='the metrics port')['port']}{path}"


def get(url):
    with urllib.request.urlopen(url, timeout=30) as reply:
        return reply.read().decode(), reply.headers


def one(samples, name):
    [value] = samples[name].values()
    return value


def test_prometheus_text_keeps_its_format_and_agrees_with_the_ledger(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path)
    sent = shop.send_orders(40)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(), ["--metrics-listen", "127.0.0.1:0"])
    worker.wait_stats(lambda s: s["busy"] == 5)
    url = metrics_url(worker.process)
    text, headers = get(url)
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert check_with_promtool(text)
    assert one(parse_prometheus(text), "sluice_worker_capacity") == 5
    shop.wait_empty(worker)
    paid = ledger(tmp_path)
    worker.wait_stats(lambda s: s["deleted"] == len(sent))
    samples = parse_prometheus(get(url)[0])
    for name in ("received", "completed", "deleted"):
        assert samples[f"sluice_worker_{name}_total"] == {(("queue", "orders"),): len(sent)}
    assert one(samples, "sluice_worker_handle_seconds_count") == len(paid)
    busy = one(samples, "sluice_worker_busy_seconds_total")
    assert busy == one(samples, "sluice_worker_handle_seconds_sum")
    assert 3 * len(paid) <= sum(p.end_ms - p.start_ms for p in paid) / 1000 <= busy
    calls = samples["sluice_worker_api_calls_total"]
    stats = worker.stats()
    of_receive = {dict(labels)["outcome"]: value for labels, value in calls.items()
                  if dict(labels)["operation"] == "receive_message"}
    assert of_receive["ok"] >= 4 and sum(of_receive.values()) == of_receive["ok"] <= stats["receives"] + 1
    # Whoever scrapes tells nothing apart by more than the queue.
    assert {key for name in samples for labels in samples[name] for key, _ in labels} == {
        "queue", "le", "operation", "outcome", "version"}
    assert get(metrics_url(worker.process, "/healthz"))[0] == '{"status":"ok"}\n'
    for path in ("/", "/metrics/", "/v1/status"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            get(metrics_url(worker.process, path))
        assert refused.value.code == 404
    worker.finish()


def test_a_handler_that_never_waits_is_measured_as_well(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=1)
    sent = shop.send_orders(500)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(), ["--handler", "noop", "--metrics-listen", "127.0.0.1:0"])
    worker.wait_stats(lambda s: s["deleted"] == len(sent))
    samples = parse_prometheus(get(metrics_url(worker.process))[0])
    for name in ("handle", "wait", "lease_margin"):
        assert one(samples, f"sluice_worker_{name}_seconds_count") == len(sent)
    assert one(samples, "sluice_worker_busy") == one(samples, "sluice_worker_held") == 0
    worker.finish()


def test_failed_calls_are_told_by_operation_and_outcome(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path)
    shop.inject("DeleteMessageBatch", "error", code="AccessDenied", status=400, count=3)
    shop.send_orders(5)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(), ["--metrics-listen", "127.0.0.1:0"])
    shop.wait_empty(worker)
    samples = parse_prometheus(get(metrics_url(worker.process))[0])
    calls = {tuple(value for _, value in labels[1:]): count
             for labels, count in samples["sluice_worker_api_calls_total"].items()}
    failed = {key: count for key, count in calls.items() if count and key[1] != "ok"}
    assert set(failed) == {("delete_message_batch", "denied")} and failed.popitem()[1] == 3
    worker.finish()


def test_clients_that_dawdle_or_talk_nonsense_hold_nothing_up(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(), ["--metrics-listen", "127.0.0.1:0"])
    url = metrics_url(worker.process)
    port = int(url.split(":")[2].split("/")[0])
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    for connection, bytes_ in zip(silent, [b"GET /metrics", b"\x16\x03\x01\0\0", b"POST /metrics HTTP/1.1\r\n\r\n",
                                           b"GET /metrics HTTP/1.1\r\nX: " + b"y" * 20000]):
        connection.sendall(bytes_)
    sent = shop.send_orders(10)
    shop.wait_empty(worker)
    assert one(parse_prometheus(get(url)[0]), "sluice_worker_deleted_total") == len(sent)
    for connection in silent:
        connection.close()
    worker.finish()


def test_a_port_that_is_taken_is_a_configuration_error(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(), ["--metrics-listen", address])
        assert worker.process.wait() == 78
        [line] = [line for line in worker.process.logs() if line["message"] == "no metrics"]
        assert re.fullmatch(f"--metrics-listen {re.escape(address)}: {harness.says(errno.EADDRINUSE)}", line["error"])


@pytest.mark.parametrize("arguments, text", [
    (["--metrics-listen", "9464"], "--metrics-listen 9464: want HOST:PORT"),
    (["--metrics-listen", "127.0.0.1:70000"], "want HOST:PORT with a port from 0 to 65535"),
    (["--metrics-listen", "example.org:80"], "the host must be an IP address or localhost"),
    (["--emf", "--emf-namespace", "AWS/SQS"], "--emf-namespace AWS/SQS: want"),
    (["--emf", "--emf-interval", "10ms"], "emf_interval"),
])
def test_bad_settings_are_usage_errors(arguments, text):
    env = harness.environment(SQS_QUEUE_URL="http://127.0.0.1:1/123456789012/orders")
    done = subprocess.run([BIN / "sluice-worker", *arguments], env=env, stderr=subprocess.PIPE, text=True, timeout=60,
                          check=False)
    assert done.returncode == 64 and text in done.stderr


def test_emf_lines_keep_the_specification_and_add_up(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path)
    sent = shop.send_orders(130)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_SLOTS=10),
                    ["--emf", "--emf-namespace", "Shop/Orders", "--emf-interval", "5s"])
    shop.wait_empty(worker)
    worker.finish()
    text = worker.process.stdout()
    assert text.endswith("\n")
    documents = [check_emf(line) for line in text.splitlines()]  # nothing else is on stdout
    assert len(documents) >= 3
    assert {document["_aws"]["CloudWatchMetrics"][0]["Namespace"] for document in documents} == {"Shop/Orders"}
    assert {(document["QueueName"], document["Worker"]) for document in documents} == {("orders", "worker")}
    for name in ("Received", "Completed", "Deleted"):
        assert sum(document[name] for document in documents) == len(sent)
    stamps = [document["_aws"]["Timestamp"] for document in documents]
    assert all(after - before >= 5000 for before, after in zip(stamps[:-1], stamps[1:-1]))
    handled = [value for document in documents for value in document.get("HandleTime", [])]
    assert len(handled) == len(sent)  # an interval brings fewer than 100: each is told
    assert min(handled) >= 2900 and documents[0]["Capacity"] == 10


def test_a_stdout_that_nobody_reads_holds_nothing_up(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path)
    reader, writer = os.pipe()
    fcntl.fcntl(writer, 1031, 4096)  # F_SETPIPE_SZ: full after a line or two
    env = dict(shop.env(), SQS_QUEUE_URL=shop.queue_url, SLUICE_WORKER_NAME="worker")
    with open(tmp_path / "worker.err", "wb") as err:
        process = subprocess.Popen([BIN / "sluice-worker", "--ledger", tmp_path / "ledger", "--metrics-listen",
                                    "127.0.0.1:0", "--emf", "--emf-interval", "1s"], env=env, stdin=subprocess.DEVNULL,
                                   stdout=writer, stderr=err)
    try:
        os.close(writer)

        def port():
            lines = [json.loads(line) for line in (tmp_path / "worker.err").read_text().splitlines()]
            return next((line["port"] for line in lines if line["message"] == "listening"), None)

        url = f"http://127.0.0.1:{wait_until(port, what='the metrics port')}/metrics"
        wait_until(lambda: one(parse_prometheus(get(url)[0]), "sluice_worker_emf_lines_dropped_total") > 3,
                   what="dropped lines")
        sent = shop.send_orders(10)
        shop.wait_empty()
        received = []
        thread = threading.Thread(target=lambda: received.append(open(reader, "rb").read()))
        thread.start()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        thread.join(60)
        documents = [check_emf(line) for line in received[0].decode().splitlines()]
        # What dropped lines would have told is in a later one.
        assert sum(document["Completed"] for document in documents) == len(sent) == len(ledger(tmp_path))
    finally:
        process.kill()
        process.wait()


def test_hist_lines_come_with_every_fifth_stats_line_and_before_bye(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path)
    sent = shop.send_orders(20)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env())
    worker.wait_stats(lambda s: s["deleted"] == len(sent))
    wait_until(lambda: [line for line in worker.of_type("hist") if line["count"] == len(sent)], what="all values")
    worker.finish()
    kinds = [line["type"] for line in worker.lines]
    assert kinds[-1] == "bye"
    stats = [i for i, kind in enumerate(kinds) if kind == "stats"]
    for i, kind in enumerate(kinds):
        if kind == "hist" and i < stats[-1]:
            assert sum(k == "stats" for k in kinds[:i]) % 5 == 0
    last = {}
    for line in worker.of_type("hist"):
        known = last.get(line["name"])
        # Cumulative, and only told when it changed.
        assert known is None or line["count"] > known["count"] and line["sum"] >= known["sum"]
        assert sum(count for _, count in line["buckets"]) == line["count"]
        last[line["name"]] = line
    assert set(last) == {"handle_ms", "wait_ms", "lease_margin_ms"}
    assert {line["count"] for line in last.values()} == {len(sent)}
    assert last["handle_ms"]["sum"] == worker.stats()["handle_ms_sum"]
