"""Twelve things that consumers of SQS get wrong or leave out, one test each against the real worker. Other tests look at
each of them more closely; this file is the list, and says of every point that it holds."""
import json
import os
import pathlib
import signal
import subprocess
import urllib.request

import harness
from harness import wait_until
from worker_harness import Shop, Worker, ledger, most_at_once, order

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


def test_point_02_heartbeats_go_in_batches_for_waiting_messages_too(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=2)
    shop.send_orders(20)
    env = shop.env(NUM_WORKERS=10, PAYMENT_SLOTS=10, PAYMENT_TIME="9s")
    worker = Worker(spawn, tmp_path, shop.queue_url, env, ["--visibility-timeout", "4s"])
    shop.wait_empty(worker)
    worker.finish()
    last = worker.stats()
    # Ten run for 9 s while ten wait, which then run for 9 s: all of them are extended every 2 s.
    assert last["lease_lost"] == last["received_again"] == 0
    assert last["extended"] >= 100
    assert calls_of(shop, "ChangeMessageVisibilityBatch") <= last["extended"] / 5


def test_point_03_a_lost_lease_stops_the_handler_and_skips_the_payment(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=10)
    shop.send_orders(5)
    shop.inject("ChangeMessageVisibilityBatch", "entry_error", entry_probability=1, code="ReceiptHandleIsInvalid")
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="8s"), ["--visibility-timeout", "4s"])
    worker.wait_stats(lambda s: s["lease_lost"] >= 5 and s["failed"] >= 5, what="lost leases")
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


def test_point_12_the_published_figures_come_from_one_command():
    bench = ROOT / "tests" / "bench" / "worker"
    assert os.access(bench, os.X_OK)
    done = subprocess.run([bench, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "--report" in done.stdout
