"""Twelve things that consumers of SQS get wrong or leave out, one test each against the real worker. Other tests look at
each of them more closely; this file is the list, and says of every point that it holds."""
import json
import os
import pathlib
import signal
import subprocess
import urllib.request

import pytest

import harness
from harness import wait_until
from test_worker_metrics import get, metrics_url, parse_prometheus
from web_app import WebApp
from worker_harness import Shop, Worker, ledger, most_at_once, order

pytestmark = [pytest.mark.slow, pytest.mark.full_speed]

ROOT = pathlib.Path(__file__).resolve().parents[2]


def calls_of(shop, operation):
    with urllib.request.urlopen(f"{shop.server.url}/_localaws/stats", timeout=30) as reply:
        return json.loads(reply.read())["calls"].get(operation, 0)


def test_point_01_slots_are_refilled_one_by_one_with_few_calls_and_no_hoard(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=2)
    slots = harness.threads(100)
    sent = shop.send_orders(slots * 10)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(NUM_WORKERS=slots, PAYMENT_SLOTS=slots, PAYMENT_TIME="1s"))
    shop.wait_empty(worker)
    worker.finish()
    paid = ledger(tmp_path)
    assert sorted(p.order_id for p in paid) == sorted(sent)
    assert most_at_once(paid) == slots
    assert all(line["held"] <= slots + 10 for line in worker.of_type("stats"))
    calls = worker.stats()["receives"] - worker.stats()["receives_empty"] + calls_of(shop, "DeleteMessageBatch")
    assert calls <= len(sent) * 0.225 + 5, calls


def test_point_02_heartbeats_go_in_batches(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=2)
    shop.send_orders(20)
    env = shop.env(NUM_WORKERS=10, PAYMENT_SLOTS=10, PAYMENT_TIME="9s")
    worker = Worker(spawn, tmp_path, shop.queue_url, env, ["--visibility-timeout", "4s"])
    shop.wait_empty(worker)
    worker.finish()
    last = worker.stats()
    # Ten run for 9 s while ten wait, which then run for 9 s: all of them are extended every 2 s.
    assert last["lease_lost"] == last["redelivered"] == 0 and last["deleted"] == 20
    assert last["extended"] >= 100
    assert calls_of(shop, "ChangeMessageVisibilityBatch") <= last["extended"] / 5


def test_point_03_a_lost_lease_stops_the_handler_and_skips_the_payment(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=10)
    shop.send_orders(5)
    shop.inject("ChangeMessageVisibilityBatch", "entry_error", entry_probability=1, code="ReceiptHandleIsInvalid")
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="8s"), ["--visibility-timeout", "4s"])
    worker.wait_stats(lambda s: s["lease_lost"] >= 5, what="lost leases")
    assert ledger(tmp_path) == [] and worker.stats()["deleted"] == 0
    assert worker.stats()["stale_handles"] >= 5
    shop.server.faults("DELETE")
    shop.wait_empty(worker)
    worker.finish()
    assert len(ledger(tmp_path)) == 5


def test_point_04_failed_deletes_are_sent_again_and_what_comes_again_is_not_paid_again(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=10)
    sent = shop.send_orders(40)
    shop.inject("DeleteMessageBatch", "entry_error", entry_probability=0.5, count=10, seed=3)
    shop.inject("ReceiveMessage", "duplicate", probability=0.5, count=5, seed=4)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="1s"))
    shop.wait_empty(worker)
    worker.finish()
    assert shop.fired() >= 10
    assert sorted(p.order_id for p in ledger(tmp_path)) == sorted(sent)


def test_point_05_a_drain_hands_back_what_waits_and_finishes_what_runs(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=10)
    sent = shop.send_orders(100)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env())
    worker.wait_stats(lambda s: s["completed"] >= 5 and s["waiting"] > 0)
    worker.finish()
    paid = ledger(tmp_path)
    assert shop.counts() == (len(sent) - len(paid), 0)
    assert worker.stats()["completed"] == worker.stats()["deleted"] == len(paid)


def test_point_05_an_answer_just_after_the_cancel_comes_back_by_its_visibility_timeout(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=10)
    sent = shop.send_orders(10)
    # The receive takes effect at once, its answer comes when the worker, told to end, has given up waiting for it.
    shop.inject("ReceiveMessage", "latency", latency_ms=3000, after=True, count=1)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(), ["--visibility-timeout", "60s"])
    wait_until(lambda: shop.counts()[1] == 10, what="the receive to take effect")
    worker.process.signal(signal.SIGTERM)
    assert worker.process.wait() == 0
    assert worker.closed.wait(10)
    assert worker.stats()["receives_cancelled"] == 1 and worker.stats()["received"] == 0
    assert ledger(tmp_path) == []
    other = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="1s"), name="other")
    shop.wait_empty(other)
    other.finish()
    assert sorted(p.order_id for p in ledger(tmp_path)) == sorted(sent)


def test_point_06_polls_that_hang_hold_back_no_delete(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=10)
    sent = shop.send_orders(5)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env())
    worker.wait_stats(lambda s: s["busy"] == 5)
    shop.inject("ReceiveMessage", "hang")
    worker.wait_stats(lambda s: s["deleted"] == 5, what="deletes beside hanging polls")
    assert sorted(p.order_id for p in ledger(tmp_path)) == sorted(sent)
    shop.server.faults("DELETE")


def test_point_07_an_idle_worker_polls_three_times_a_minute_and_a_full_queue_adds_polls(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=20)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(), ["--handler", "noop"])
    worker.wait_ready()
    start = worker.wait_stats(lambda s: s["receives"] >= 2)
    then = worker.wait_stats(lambda s: s["t_ms"] >= start["t_ms"] + 120_000, what="two quiet minutes")
    assert then["receives"] - start["receives"] <= 7
    shop.send(str(i) for i in range(1000))
    shop.wait_empty(worker)
    worker.finish()
    assert worker.stats()["completed"] == 1000


def test_point_08_a_limit_of_the_handler_holds_back_polling_too(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=10)
    shop.send_orders(100)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env())
    worker.wait_stats(lambda s: s["completed"] >= 20)
    assert all(line["held"] <= 15 and line["busy"] <= 5 for line in worker.of_type("stats"))
    worker.control({"v": 1, "type": "limit", "capacity": 2})
    worker.wait_stats(lambda s: s["capacity"] == 2 and s["held"] <= 12)
    worker.finish()


def test_point_09_poison_is_backed_off_then_quarantined_with_reason_status_and_attempts(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=10)
    dlq_url = shop.sqs.create("orders-dlq")
    shop.send(["poison", order("good")])
    args = ["--dlq-url", dlq_url, "--max-receives", "3", "--retry-delays", "1s,2s"]
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="1s"), args)
    shop.wait_empty(worker)
    worker.finish()
    last = worker.stats()
    assert (last["quarantined"], last["failed"], last["completed"]) == (1, 3, 1)
    [message] = shop.sqs.call("ReceiveMessage", QueueUrl=dlq_url, MessageAttributeNames=["All"])["Messages"]
    facts = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert message["Body"] == "poison" and facts["sluice.receive_count"] == "3" and "JSON" in facts["sluice.reason"]
    delays = [line["again_in_s"] for line in worker.process.logs() if line["message"] == "message failed" and "again_in_s" in line]
    assert delays == sorted(delays) and len(delays) >= 2


def test_point_10_programs_and_requests_have_heartbeats_handles_and_limits_that_kill(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=5)
    program = tmp_path / "program"
    program.write_text("""#!/bin/sh
cat > "$FOLDER/body"; printf '%s' "$SQS_RECEIPT_HANDLE" > "$FOLDER/handle"
echo $$ >> "$FOLDER/pids"
sleep 3 # real: 15 s of product time under a visibility timeout of 4 s
[ "$SQS_RECEIVE_COUNT" = 1 ] && sleep 60
exit 0
""")
    program.chmod(0o755)
    shop.send(["work"])
    args = ["--visibility-timeout", "4s", "--retry-delays", "0s", "--handler", "exec", "--exec-timeout", "20s", "--", program]
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(FOLDER=tmp_path), args)
    shop.wait_empty(worker)
    worker.finish()
    last = worker.stats()
    assert (last["failed"], last["completed"], last["lease_lost"]) == (1, 1, 0) and last["extended"] >= 12
    assert (tmp_path / "body").read_text() == "work" and (tmp_path / "handle").read_text() != ""
    assert len((tmp_path / "pids").read_text().split()) == 2

    answers = iter([(429, {"Retry-After": "7"}, b""), (200, {}, b"")])
    web = WebApp(lambda request: next(answers))
    shop.send(["post"])
    other = Worker(spawn, tmp_path, shop.queue_url, shop.env(), ["--handler", "http", "--http-url", web.url], name="http")
    shop.wait_empty(other)
    other.finish()
    web.close()
    assert [request.body for request in web.requests] == [b"post", b"post"]
    assert (other.stats()["retried"], other.stats()["failed"], other.stats()["completed"]) == (1, 0, 1)


def test_point_11_its_figures_are_built_in(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=10)
    shop.send_orders(20)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(), ["--metrics-listen", "127.0.0.1:0"], telemetry=False)
    url = metrics_url(worker.process)
    shop.wait_empty(worker)
    text = wait_until(lambda: (page := get(url)[0]) and 'deleted_total{queue="orders"} 20' in page and page, what="20 deletes")
    samples = parse_prometheus(text)
    for name in ("oldest_held_seconds", "lease_margin_seconds_count", "busy_seconds_total", "api_calls_total",
                 "stale_handles_total", "received_again_total", "wait_seconds_count"):
        assert f"sluice_worker_{name}" in samples, name
    assert samples["sluice_worker_lease_margin_seconds_count"] == {(("queue", "orders"),): 20}
    worker.finish()


def test_point_12_the_published_figures_come_from_one_command():
    bench = ROOT / "tests" / "bench" / "worker"
    assert os.access(bench, os.X_OK)
    done = subprocess.run([bench, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "--report" in done.stdout
