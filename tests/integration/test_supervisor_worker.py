"""The supervisor with sluice-worker: orders are paid, whatever is killed meanwhile."""
import json
import os
import signal

import harness
from harness import BIN, wait_until
from supervisor_harness import pid_alive, run_sluice, world  # noqa: F401, a fixture

ORDERS = 150


def order(number):
    return json.dumps({"order_id": f"o-{number}", "customer_id": 1,
                       "items": [{"product_id": "p", "quantity": 1, "price": 9.5}]})


def ledger(path):
    """Order ids in the order in which they were paid, and who paid them."""
    if not path.exists():
        return []
    return [line.split() for line in path.read_text().splitlines()]


def paid(path):
    return {fields[0] for fields in ledger(path)}


def sale(world, **settings):
    """A supervisor of 2 to 6 workers (4 under a sanitizer) on a queue with orders in it."""
    path = world.folder / "ledger"
    command = [BIN / "sluice-worker", "--handler", "payment", "--ledger", path]
    settings = {"minimum": 2, "maximum": 4 if harness.SANITIZED else 6, "fleet": {"env": {"NUM_WORKERS": "8"}, "stop_grace": "30s"}, **settings}
    world.sqs.send(world.queue_url, (order(n) for n in range(ORDERS)))
    return world.supervise(command, **settings), path, settings, command


def wait_all_paid(world, path):
    wait_until(lambda: len(paid(path)) == ORDERS and world.sqs.counts(world.queue_url) == (0, 0), timeout_s=120,
               what="all orders to be paid and deleted")
    assert paid(path) == {f"o-{n}" for n in range(ORDERS)}


def test_orders_are_paid_once_while_the_fleet_grows_and_shrinks(world):
    supervisor, path, _, _ = sale(world, policy={"scale_in_after": "5s", "cooldown": "2s"})
    supervisor.wait_fleet(lambda fleet: fleet["ready"] > 2, "growth")
    wait_all_paid(world, path)
    fleet = supervisor.wait_fleet(lambda fleet: fleet["desired"] == fleet["ready"] == 2 and not fleet["stopping"],
                                  "the shrink")
    assert len(ledger(path)) == ORDERS
    assert fleet["totals"]["completed"] == ORDERS and fleet["totals"]["deleted"] == ORDERS
    assert fleet["totals"]["bad_telemetry_lines"] == 0
    assert {worker["threads"] for worker in fleet["workers"]} == {8}
    assert {worker["capacity"] for worker in fleet["workers"]} == {5}
    # Of those that left and of those that stay: every payment is in the distributions, too.
    fleet = supervisor.wait_fleet(lambda fleet: fleet["times"]["handle_ms"]["count"] == ORDERS, "all times")
    handling, waiting, margin = (fleet["times"][name] for name in ("handle_ms", "wait_ms", "lease_margin_ms"))
    assert handling["sum"] == fleet["totals"]["handle_ms_sum"] and waiting["sum"] == fleet["totals"]["wait_ms_sum"]
    assert 3000 <= handling["p50"] <= handling["p99"] <= handling["max"]
    assert waiting["count"] == ORDERS and 0 < waiting["p50"] < waiting["max"]
    assert margin["count"] == ORDERS and 0 < margin["p50"] <= 30000  # of 30 s of visibility
    words = run_sluice("status", "--socket", supervisor.socket).stdout
    assert "  handling p50 3." in words and "  waiting  p50 " in words, words
    assert supervisor.stop() == 0
    assert [worker for worker in supervisor.messages("worker state") if worker["to"] == "killing"] == []


def test_kill_9_of_a_worker_in_mid_payment_loses_nothing(world):
    supervisor, path, _, _ = sale(world)
    supervisor.wait_fleet(lambda fleet: fleet["ready"] > 2 and any(w.get("busy") for w in fleet["workers"]), "payments")
    victim = next(worker for worker in supervisor.fleet()["workers"] if worker.get("busy"))
    os.kill(victim["pid"], signal.SIGKILL)
    supervisor.wait_fleet(lambda fleet: fleet["restarts"] == 1, "the restart")
    wait_all_paid(world, path)
    # Only what the victim held may have been paid twice, and never more than its five slots.
    rows = ledger(path)
    twice = len(rows) - len(paid(path))
    assert 0 <= twice <= 5
    again = [fields[0] for fields in rows]
    for order_id in {o for o in again if again.count(o) > 1}:
        assert any(fields[0] == order_id and int(fields[3]) == victim["pid"] for fields in rows)


def test_kill_9_of_the_supervisor_loses_nothing_and_its_successor_goes_on(world):
    first, path, settings, command = sale(world)
    first.wait_fleet(lambda fleet: fleet["desired"] > 2 and any(w.get("busy") for w in fleet["workers"]), "payments")
    old = first.pids()
    desired = first.fleet()["desired"]
    first.kill()
    second = world.supervise(command, name="second", **settings)
    restored = second.messages("restored the saved state")[0]["desired"]
    assert restored >= desired > 2
    second.wait_fleet(lambda fleet: fleet["ready"] >= restored, "its fleet")
    wait_until(lambda: not any(map(pid_alive, old)), what="the orphans to drain")
    second.wait_fleet(lambda fleet: fleet["orphans"] == 0, "them to be off the list")
    wait_all_paid(world, path)
    assert len(ledger(path)) == ORDERS  # orphans finish and delete what they hold: nothing is paid twice
    assert second.stop() == 0


def test_a_hung_worker_is_replaced_and_its_orders_are_paid_by_others(world):
    supervisor, path, _, _ = sale(world)
    supervisor.wait_fleet(lambda fleet: fleet["ready"] > 2 and any(w.get("busy") for w in fleet["workers"]), "payments")
    victim = next(worker for worker in supervisor.fleet()["workers"] if worker.get("busy"))
    os.kill(victim["pid"], signal.SIGSTOP)
    wait_until(lambda: not pid_alive(victim["pid"]), timeout_s=60, what="the hung worker to be killed")
    supervisor.wait_fleet(lambda fleet: any(w["name"] == victim["name"] and w["restarts"] == 1 and w["last_exit"] ==
                                            "signal 9 (Killed), hung: no telemetry" for w in fleet["workers"]), "the report")
    wait_all_paid(world, path)


def test_logs_of_workers_are_merged_into_one_stream(world):
    supervisor, _, _, _ = sale(world)
    supervisor.wait_fleet(lambda fleet: fleet["ready"] >= 2, "workers")
    line = wait_until(lambda: next((entry for entry in supervisor.logs()
                                    if entry.get("message") == "ready" and entry.get("worker") == "orders-1"), None),
                      what="a worker's own line")
    assert line["threads"] == 8 and line["program"] == "sluice"
