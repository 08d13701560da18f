"""Every fault kind at every SQS operation that the worker uses: it fires, nothing is lost, nothing is paid twice."""
import pytest

import harness
from handler_harness import KINDS, OPERATIONS
from worker_harness import Shop, Worker, ledger

RECEIVE, DELETE, CHANGE = OPERATIONS


@pytest.mark.parametrize("operation", [RECEIVE, DELETE, CHANGE])
@pytest.mark.parametrize("name", harness.some(KINDS))
def test_a_passing_fault_loses_and_doubles_nothing(spawn, localaws, tmp_path, operation, name):
    shop = Shop(localaws, tmp_path, speed=10)
    sent = shop.send_orders(30)
    rule = dict(KINDS[name], operation=operation, seed=7)
    shop.inject(**rule)
    # Payments of 3 s under 8 s of visibility, with two rounds of waiting: every message is extended.
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="3s"), ["--visibility-timeout", "8s"])
    shop.wait_empty(worker)
    assert shop.fired() >= 1, "the fault never happened"
    worker.finish()
    payments = ledger(tmp_path)
    assert sorted(p.order_id for p in payments) == sorted(sent)
    assert shop.counts() == (0, 0)


def test_all_operations_fail_at_random_under_load(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=10)
    sent = shop.send_orders(200)
    seed = 0
    for operation in (RECEIVE, DELETE, CHANGE):
        for kind in ("error", "throttle", "reset", "truncate"):
            seed += 1
            shop.inject(operation, kind, probability=0.1, seed=seed)
    shop.inject(RECEIVE, "duplicate", probability=0.2, seed=50)
    shop.inject(DELETE, "entry_error", probability=0.2, seed=60)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="1s"), ["--visibility-timeout", "10s"])
    shop.wait_empty(worker, timeout_s=180)
    worker.finish()
    for operation in (RECEIVE, DELETE):
        fired = [rule["kind"] for rule in shop.server.faults()["rules"]
                 if rule["operation"] == operation and rule["fired_total"] > 0]
        assert len(fired) >= 3, (operation, fired)
    payments = ledger(tmp_path)
    assert sorted(p.order_id for p in payments) == sorted(sent)


def test_a_lost_lease_stops_the_payment_and_another_delivery_makes_it(spawn, localaws, tmp_path):
    """Extensions are refused for good until each first delivery has lost its lease; then they work."""
    shop = Shop(localaws, tmp_path, speed=10)
    sent = shop.send_orders(5)
    shop.inject(CHANGE, "entry_error", entry_probability=1, code="ReceiptHandleIsInvalid")
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="8s"), ["--visibility-timeout", "4s"])
    worker.wait_stats(lambda s: s["lease_lost"] >= 5, what="lost leases")
    assert shop.fired() >= 1
    shop.server.faults("DELETE")
    shop.wait_empty(worker)
    worker.finish()
    payments = ledger(tmp_path)
    assert sorted(p.order_id for p in payments) == sorted(sent)


def test_the_endpoint_goes_away_and_comes_back(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=10)
    sent = shop.send_orders(20)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="1s"))
    worker.wait_stats(lambda s: s["completed"] >= 5)
    for operation in (RECEIVE, DELETE, CHANGE):
        shop.inject(operation, "reset")
    worker.wait_stats(lambda s: shop.fired() >= 12)
    shop.server.faults("DELETE")
    shop.wait_empty(worker)
    worker.finish()
    assert sorted(p.order_id for p in ledger(tmp_path)) == sorted(sent)
