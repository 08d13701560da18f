"""sluice-worker pays orders: each once, no more than its slots at once, no more held than it may; the ledger is the witness."""
import json
import signal

import pytest

import harness
from harness import wait_until
from worker_harness import COUNTERS, GAUGES, Shop, Worker, envelope, ledger, most_at_once, order


@pytest.mark.parametrize("threads", [5, 16] if harness.SANITIZED else [5, 20, 100])
def test_every_order_is_paid_once_within_slots_and_held_bound(spawn, localaws, tmp_path, threads):
    shop = Shop(localaws, tmp_path, speed=10)
    sent = shop.send_orders(300)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(NUM_WORKERS=threads, PAYMENT_TIME="1s"))
    shop.wait_empty(worker)
    bye = worker.finish()

    payments = ledger(tmp_path)
    assert sorted(p.order_id for p in payments) == sorted(sent)
    assert all(p.end_ms - p.start_ms >= 1000 and p.receive_count == 1 for p in payments)
    assert most_at_once(payments) <= 5

    assert worker.lines[0]["type"] == "ready"
    assert worker.lines[0]["threads"] == threads and worker.lines[0]["capacity"] == 5
    assert worker.lines[0]["worker"] == "worker" and worker.lines[0]["pid"] == worker.pid
    stats = worker.of_type("stats")
    assert len(stats) > 10
    assert all(line["held"] <= 15 and line["busy"] <= 5 for line in stats)
    assert max(line["held"] for line in stats) > 5  # fetched ahead
    last = stats[-1]
    assert last["completed"] == last["deleted"] == last["received"] == 300
    assert last["failed"] == last["lease_lost"] == last["redelivered"] == last["returned"] == 0
    assert last["receives_full"] >= 25  # whole batches, not one message a receive
    assert [line["reason"] for line in bye] == ["drained"]


def test_counters_never_fall_and_every_line_is_whole(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=10)
    shop.send_orders(40)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="1s"))
    shop.wait_empty(worker)
    worker.finish()
    before = dict.fromkeys(COUNTERS, 0)
    for line in worker.of_type("stats"):
        assert line["v"] == 1 and line["state"] in ("running", "draining")
        for key in GAUGES:
            assert line[key] >= 0
        for key in COUNTERS:
            assert line[key] >= before[key], key
        before = line
    assert worker.lines[-1]["type"] == "bye"
    assert worker.lines[-2]["state"] == "draining"


def test_more_threads_than_slots_never_run_and_fewer_threads_bound_the_capacity(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=10)
    shop.send_orders(20)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(NUM_WORKERS=2, PAYMENT_TIME="500ms"))
    assert worker.wait_ready()["capacity"] == 2
    shop.wait_empty(worker)
    worker.finish()
    assert most_at_once(ledger(tmp_path)) <= 2
    assert len({p.order_id for p in ledger(tmp_path)}) == len(ledger(tmp_path)) == 20


def test_malformed_orders_and_only_they_end_in_the_dead_letter_queue(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=20)
    dlq_url = shop.sqs.create("dead")
    dlq_arn = "arn:aws:sqs:us-east-1:123456789012:dead"
    shop.sqs.call("SetQueueAttributes", QueueUrl=shop.queue_url, Attributes={
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": dlq_arn, "maxReceiveCount": "3"})})
    good = [order(f"o-{i}") for i in range(297)]
    bad = ["{not json", order("bad-quantity", items=[{"product_id": "p", "quantity": 0, "price": 1}]),
           order("bad-customer", customer_id="seven")]
    shop.send(good[:100] + bad[:1] + good[100:200] + bad[1:] + good[200:])
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="500ms"))
    shop.wait_empty(worker)
    worker.finish()

    assert sorted(p.order_id for p in ledger(tmp_path)) == sorted(f"o-{i}" for i in range(297))
    assert shop.sqs.counts(dlq_url) == (3, 0)
    dead = shop.sqs.call("ReceiveMessage", QueueUrl=dlq_url, MaxNumberOfMessages=10)["Messages"]
    assert sorted(m["Body"] for m in dead) == sorted(bad)
    last = worker.stats()
    assert last["failed"] == 9 and last["completed"] == 297
    reasons = {line["reason"] for line in worker.process.logs() if line["message"] == "message failed"}
    assert any("items[0].quantity" in reason for reason in reasons)
    assert any("customer_id" in reason for reason in reasons)
    assert any("not JSON" in reason for reason in reasons)


def test_sns_envelopes_and_bare_orders_are_paid_alike(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=20)
    shop.send(envelope(order(f"o-{i}")) if i % 2 else order(f"o-{i}") for i in range(40))
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="200ms"))
    shop.wait_empty(worker)
    worker.finish()
    assert sorted(p.order_id for p in ledger(tmp_path)) == sorted(f"o-{i}" for i in range(40))


@pytest.mark.parametrize("mode, paid", [("sns", "wrapped"), ("raw", "bare")])
def test_a_stated_sns_mode_refuses_the_other_form(spawn, localaws, tmp_path, mode, paid):
    shop = Shop(localaws, tmp_path, speed=20)
    shop.send([order("bare"), envelope(order("wrapped"))])
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="0"), ["--sns", mode])
    worker.wait_stats(lambda s: s["completed"] >= 1 and s["failed"] >= 1)
    worker.finish()
    assert [p.order_id for p in ledger(tmp_path)] == [paid]


def test_noop_empties_a_queue_in_whole_batches(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=1)
    shop.send(str(i) for i in range(2000))
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(), ["--handler", "noop"])
    shop.wait_empty(worker)
    worker.finish()
    last = worker.stats()
    assert last["completed"] == last["deleted"] == 2000
    assert last["receives_full"] == 200
    assert all(line["held"] <= 110 for line in worker.of_type("stats"))


def test_long_payments_keep_their_lease(spawn, localaws, tmp_path):
    # 12 s of payment under a visibility timeout of 4 s: without extensions each would come back twice.
    shop = Shop(localaws, tmp_path, speed=10)
    shop.send_orders(20)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="12s"), ["--visibility-timeout", "4s"])
    shop.wait_empty(worker)
    worker.finish()
    payments = ledger(tmp_path)
    last = worker.stats()
    assert len(payments) == len({p.order_id for p in payments}) == 20
    # Only what was handed back when handling turned out to be so slow was received again.
    assert sum(p.receive_count - 1 for p in payments) == last["returned"] <= 10
    assert last["extended"] >= 20 and last["lease_lost"] == last["redelivered"] == 0


def test_two_workers_share_a_queue_without_paying_twice(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=10)
    sent = shop.send_orders(100)
    workers = [Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="1s"), name=f"worker-{i}") for i in (1, 2)]
    shop.wait_empty()
    for worker in workers:
        worker.finish()
    payments = ledger(tmp_path)
    assert sorted(p.order_id for p in payments) == sorted(sent)
    assert {p.worker for p in payments} == {"worker-1", "worker-2"}


@pytest.mark.parametrize("code, status", [("ServiceUnavailable", 503), ("AccessDeniedException", 403)])
def test_the_ledger_line_stands_before_the_delete_and_no_other_worker_pays_meanwhile(
        spawn, localaws, tmp_path, code, status):
    """No delete succeeds for many visibility timeouts: the orders are paid all the same, once, and stay in the queue."""
    shop = Shop(localaws, tmp_path, speed=10)
    sent = shop.send_orders(5)
    shop.inject("DeleteMessageBatch", "error", code=code, status=status)
    options = ["--visibility-timeout", "10s"]
    workers = [Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="100ms"), options, name=f"worker-{i}")
               for i in (1, 2)]
    wait_until(lambda: sum(w.stats()["extended"] for w in workers) >= 40, what="extensions")
    assert shop.fired() >= 1
    assert sorted(p.order_id for p in ledger(tmp_path)) == sorted(sent)
    assert sum(shop.counts()) == 5
    shop.server.faults("DELETE")
    shop.wait_empty(workers[0])
    for worker in workers:
        worker.finish()
    assert sorted(p.order_id for p in ledger(tmp_path)) == sorted(sent)


def test_a_worker_that_stood_still_starts_nothing_that_others_have_got_meanwhile(spawn, localaws, tmp_path):
    """A machine paused during its long poll: the reply lies in its socket until long after the visibility timeout."""
    shop = Shop(localaws, tmp_path, speed=5)
    env, options = shop.env(PAYMENT_TIME="100ms"), ["--visibility-timeout", "15s"]
    paused = Worker(spawn, tmp_path, shop.queue_url, env, options, name="paused")
    paused.wait_stats(lambda s: s["receives"] >= 1, what="its first receive")
    paused.process.signal(signal.SIGSTOP)
    sent = shop.send_orders(5)
    wait_until(lambda: shop.counts() == (0, 5), what="the messages on their way to it")
    other = Worker(spawn, tmp_path, shop.queue_url, env, options, name="other")
    shop.wait_empty(other)
    paused.process.signal(signal.SIGCONT)
    paused.wait_stats(lambda s: s["lease_lost"] >= 5, what="its late reply")
    for worker in (paused, other):
        worker.finish()
    payments = ledger(tmp_path)
    assert sorted(p.order_id for p in payments) == sorted(sent)
    assert {p.worker for p in payments} == {"other"}


def test_a_full_disk_fails_payments_and_none_is_lost(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=20)
    sent = shop.send_orders(3)
    (tmp_path / "ledger").symlink_to("/dev/full")
    full = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="0"), name="full")
    full.wait_stats(lambda s: s["failed"] >= 3)
    full.finish()
    (tmp_path / "ledger").unlink()
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="0"))
    shop.wait_empty(worker)
    worker.finish()
    assert sorted(p.order_id for p in ledger(tmp_path)) == sorted(sent)
    assert wait_until(lambda: any("No space left" in line.get("reason", "") for line in full.process.logs()))
