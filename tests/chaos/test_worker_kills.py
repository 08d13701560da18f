"""Random TERMs and KILLs of workers under load: no order is lost, and one is paid twice only where a KILL fell between
its payment and its delete. 2,000 signals in the plain run, 20,000 with --long."""
import collections
import os
import pathlib
import random
import re
import signal
import sys
import threading
import time

import harness
from worker_harness import Payment, Shop, order

SIGNALS = 20_000 if harness.TIER == "long" else 2_000
WORKERS = 6
SLOTS = 10
BACKLOG = 300  # orders kept visible, so that every signal meets a worker at work
PAUSE_S = 0.02  # real time between two signals: some hit a worker that starts, some one in full work


class Till:
    """Sends orders from a thread of its own, so that the backlog stays, until told to stop."""

    def __init__(self, shop):
        self.shop = shop
        self.sent = set()
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.stopping.wait(0.02):
            missing = BACKLOG - self.shop.counts()[0]
            ids = [f"o-{len(self.sent) + i}" for i in range(max(missing, 0))]
            self.shop.send(order(i) for i in ids)
            self.sent.update(ids)

    def close(self):
        self.stopping.set()
        self.thread.join(60)
        assert not self.thread.is_alive()


class Crew:
    """Workers that are replaced as they end; remembers how each was ended."""

    def __init__(self, spawn, shop, folder):
        self.spawn, self.shop, self.folder = spawn, shop, folder
        self.living = {}
        self.killed, self.drained = set(), set()
        self.started = 0

    def start(self):
        name = f"w-{self.started}"
        self.started += 1
        env = self.shop.env(SQS_QUEUE_URL=self.shop.queue_url, SLUICE_WORKER_NAME=name, NUM_WORKERS=SLOTS)
        argv = [harness.BIN / "sluice-worker", "--payment-slots", SLOTS, "--payment-time", "1s", "--ledger", "ledger"]
        self.living[name] = harness.Process(argv, self.folder, env, name=name)

    def strike(self, chance):
        """Signals a random worker that was not signalled yet, and starts another in its place."""
        fresh = [n for n in self.living if n not in self.killed and n not in self.drained]
        name = chance.choice(fresh)
        kill = chance.random() < 0.5
        (self.killed if kill else self.drained).add(name)
        self.living[name].signal(signal.SIGKILL if kill else signal.SIGTERM)
        self.start()

    def reap(self, wait=False):
        for name, process in list(self.living.items()):
            if process.alive() and not (wait and name in self.killed | self.drained):
                continue
            code = process.wait()
            del self.living[name]
            self._check_end(name, process, code)
            process.stdout_path.unlink()
            process.stderr_path.unlink()

    def _check_end(self, name, process, code):
        if name in self.killed:
            assert code == -signal.SIGKILL
            return
        text = f"{name} ended with {code}:\n{process.stderr()[-3000:]}"
        assert name in self.drained, text
        ends = [line["reason"] for line in process.logs() if line["message"] == "bye"]
        # One that was still being loaded when TERM came dies of it, before it has asked for anything.
        unborn = code == -signal.SIGTERM and process.stderr() == ""
        assert unborn or (code == 0 and ends == ["drained"]), text

    def stop(self):
        for name, process in self.living.items():
            if name not in self.killed | self.drained:
                self.drained.add(name)
                process.signal(signal.SIGTERM)
        self.reap(wait=True)

    def kill_all(self):
        for process in self.living.values():
            process.kill()


RECORD = re.compile(r"(o-\d+) ([0-9a-f-]{36}) (w-\d+) (\d+) (\d+) (\d+) (\d+) +")


def read_ledger(folder):
    payments = []
    for line in (folder / "ledger").read_text().splitlines():
        found = RECORD.fullmatch(line)
        assert found, f"torn ledger line {line!r}"
        payments.append(Payment(*found.groups()[:3], *map(int, found.groups()[3:])))
    return payments


def check(sent, paid, killed):
    """Every order was paid; all payments of one but the last are those of workers that were killed."""
    by_order = collections.defaultdict(list)
    for payment in paid:
        by_order[payment.order_id].append(payment)
    assert set(by_order) == sent, f"lost: {sorted(sent - set(by_order))[:20]}"
    twice = 0
    for order_id, payments in by_order.items():
        payments.sort(key=lambda p: p.end_ms)
        twice += len(payments) - 1
        for early in payments[:-1]:
            assert early.worker in killed, f"{order_id} was paid again although {early.worker} was not killed: {payments}"
    return twice


def test_random_terms_and_kills_lose_nothing(spawn, localaws, tmp_path):
    seed = int(os.environ.get("SLUICE_TEST_SEED", time.time_ns() % 1_000_000_007))
    print(f"seed {seed} (SLUICE_TEST_SEED repeats the choices)", file=sys.stderr)
    chance = random.Random(seed)
    shop = Shop(localaws, tmp_path, speed=10)
    till = Till(shop)
    crew = Crew(spawn, shop, pathlib.Path(tmp_path))
    try:
        for _ in range(WORKERS):
            crew.start()
        for _ in range(SIGNALS):
            time.sleep(chance.uniform(0, 2 * PAUSE_S))
            crew.strike(chance)
            crew.reap()
        till.close()
        shop.wait_empty(timeout_s=600)
        crew.stop()
    finally:
        till.stopping.set()
        crew.kill_all()
    paid = read_ledger(tmp_path)
    twice = check(till.sent, paid, crew.killed)
    assert len(crew.killed) + len(crew.drained) >= SIGNALS
    # The test is worth something only if signals met work: most killed workers must have paid something before.
    workers_that_paid = {p.worker for p in paid}
    print(f"{len(till.sent)} orders, {len(crew.killed)} KILLs, {len(crew.drained)} TERMs, {twice} paid again after a KILL, "
          f"{len(workers_that_paid & crew.killed)} killed workers had paid", file=sys.stderr)
    assert len(workers_that_paid & crew.killed) > len(crew.killed) // 10
