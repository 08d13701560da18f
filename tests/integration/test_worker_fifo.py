"""FIFO queues end to end: order within each group through failures, faults, TERM and KILL, with groups side by side."""
import collections
import json
import signal

import pytest

from handler_harness import Handled
from harness import wait_until
from worker_harness import Shop, Worker, ledger, most_at_once, order

RECEIVE, DELETE, CHANGE = "ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"
FIFO = {"queue": "orders.fifo", "FifoQueue": "true", "ContentBasedDeduplication": "true"}


def send(shop, groups, each, start=0):
    """Orders "GROUP-NUMBER", the groups in turns; returns their ids."""
    ids = [f"g{group}-{number}" for number in range(start, start + each) for group in range(groups)]
    for first in range(0, len(ids), 10):
        entries = [{"Id": str(i), "MessageBody": order(name), "MessageGroupId": name.split("-")[0]}
                   for i, name in enumerate(ids[first:first + 10])]
        assert "Failed" not in shop.sqs.call("SendMessageBatch", QueueUrl=shop.queue_url, Entries=entries)
    return ids


def check_order(done, sent):
    """Every order was handled, and of each group the first times in the order of sending."""
    firsts = collections.defaultdict(list)
    for name in dict.fromkeys(done):
        group, number = name.split("-")
        firsts[group].append(int(number))
    for group, numbers in firsts.items():
        assert numbers == sorted(numbers), (group, numbers)
    assert sorted(dict.fromkeys(done)) == sorted(sent)


def test_groups_run_side_by_side_and_each_in_order(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, **FIFO)
    sent = send(shop, groups=12, each=10)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="1s", PAYMENT_SLOTS="12", NUM_WORKERS=12))
    shop.wait_empty(worker)
    worker.finish()
    payments = ledger(tmp_path)
    check_order([p.order_id for p in payments], sent)
    assert len(payments) == len(sent)
    for group in range(12):
        mine = [p for p in payments if p.order_id.startswith(f"g{group}-")]
        assert all(a.end_ms <= b.start_ms for a, b in zip(mine, mine[1:])), mine
    assert most_at_once(payments) == 12  # ten of a group in a batch do not keep the other groups out


def test_one_group_is_one_busy_thread_and_one_batch_held(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, **FIFO)
    sent = send(shop, groups=1, each=30)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="1s", PAYMENT_SLOTS="20"))
    shop.wait_empty(worker)
    worker.finish()
    payments = ledger(tmp_path)
    assert [p.order_id for p in payments] == sent
    assert most_at_once(payments) == 1
    assert max(line["held"] for line in worker.of_type("stats")) <= 10


@pytest.mark.parametrize("seed", [1, 2])
def test_faults_and_the_end_of_a_worker_keep_the_order(spawn, localaws, tmp_path, seed):
    """All operations fail at random under two workers; one of them is told to leave, one is killed, others come."""
    shop = Shop(localaws, tmp_path, **FIFO)
    sent = send(shop, groups=6, each=15)
    for n, operation in enumerate((RECEIVE, DELETE, CHANGE)):
        for k, kind in enumerate(("error", "throttle", "reset", "truncate")):
            shop.inject(operation, kind, probability=0.08, seed=seed * 100 + n * 10 + k)
        shop.inject(operation, "reset", after=True, probability=0.08, seed=seed * 100 + n * 10 + 9)
    shop.inject(DELETE, "entry_error", probability=0.2, seed=seed)

    def start(name):
        worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="500ms", PAYMENT_SLOTS="6"),
                        ["--visibility-timeout", "10s"], name=name)
        worker.wait_ready()
        return worker

    def wait_handled(count):  # by whom, chance decides: a worker may have all groups
        wait_until(lambda: len(ledger(tmp_path)) >= count, 120, f"{count} payments")

    workers = [start("one"), start("two")]
    wait_handled(20)
    workers[0].finish()
    workers.append(start("three"))
    wait_handled(40)
    workers[1].process.popen.send_signal(signal.SIGKILL)
    workers.append(start("four"))
    shop.wait_empty(workers[2])
    assert shop.fired() >= 10
    for worker in workers[2:]:
        worker.finish()
    check_order([p.order_id for p in ledger(tmp_path)], sent)


def test_a_failure_holds_its_group_and_no_other(spawn, localaws, tmp_path):
    """Every third order fails the first time, every fifth is put off: its group waits for it."""
    handled = Handled(spawn, localaws, tmp_path, **FIFO)
    sent = send(handled.shop, groups=4, each=8)
    program = handled.program("""#!/bin/sh
name=$(sed 's/.*"order_id": *"\\([^"]*\\)".*/\\1/')
number=${name#*-}
if [ ! -e "$FOLDER/tried-$name" ]; then
    : >"$FOLDER/tried-$name"
    [ $((number % 3)) -ne 0 ] || exit 1
    [ $((number % 5)) -ne 0 ] || exit 75
fi
echo "done $name" >>"$FOLDER/orders.log"
""")
    worker = handled.start("exec", [program], ["--exec-retry-delay", "2s", "--exec-slots", "4"])
    handled.shop.wait_empty(worker)
    worker.finish()
    done = handled.order_ids()
    check_order(done, sent)
    assert len(done) == len(sent)
    stats = worker.stats()
    assert stats["failed"] == 4 * 3 and stats["retried"] == 4 * 1 and stats["returned"] > 0


def test_messages_hidden_by_a_lost_answer_come_back_at_once(spawn, localaws, tmp_path):
    """Without the attempt id they would be hidden for an hour."""
    shop = Shop(localaws, tmp_path, **FIFO)
    sent = send(shop, groups=3, each=5)
    shop.inject(RECEIVE, "reset", after=True, count=12)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="100ms"), ["--visibility-timeout", "1h"])
    shop.wait_empty(worker)
    assert shop.fired() == 12
    worker.finish()
    payments = ledger(tmp_path)
    check_order([p.order_id for p in payments], sent)
    assert all(p.receive_count == 1 for p in payments)  # the same receive, asked for again


def test_term_hands_the_rest_of_the_groups_back(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, **FIFO)
    sent = send(shop, groups=3, each=10)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="2s"), ["--visibility-timeout", "1h"])
    worker.wait_stats(lambda s: s["held"] >= 20)
    worker.finish()
    assert shop.counts()[1] == 0, "left invisible"
    assert worker.stats()["returned"] + worker.stats()["deleted"] >= 20
    other = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="100ms"), name="other")
    shop.wait_empty(other)
    other.finish()
    payments = ledger(tmp_path)
    check_order([p.order_id for p in payments], sent)
    assert len(payments) == len(sent)


def test_a_rejected_message_goes_to_the_fifo_dlq_and_its_group_goes_on(spawn, localaws, tmp_path):
    handled = Handled(spawn, localaws, tmp_path, **FIFO)
    shop = handled.shop
    dlq = shop.sqs.create("dead.fifo", FifoQueue="true")
    sent = send(shop, groups=2, each=6)
    program = handled.program("""#!/bin/sh
name=$(sed 's/.*"order_id": *"\\([^"]*\\)".*/\\1/')
[ "$name" != g0-2 ] || exit 65
echo "done $name" >>"$FOLDER/orders.log"
""")
    worker = handled.start("exec", [program], ["--dlq-url", dlq])
    shop.wait_empty(worker)
    worker.finish()
    check_order(handled.order_ids(), [name for name in sent if name != "g0-2"])
    (dead,) = shop.sqs.call("ReceiveMessage", QueueUrl=dlq, MaxNumberOfMessages=10,
                            MessageSystemAttributeNames=["All"])["Messages"]
    assert json.loads(dead["Body"])["order_id"] == "g0-2"
    assert dead["Attributes"]["MessageGroupId"] == "g0"


def test_what_is_sent_while_a_worker_runs_keeps_its_order(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, **FIFO)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="200ms", PAYMENT_SLOTS="5"))
    other = Worker(spawn, tmp_path, shop.queue_url, shop.env(PAYMENT_TIME="200ms", PAYMENT_SLOTS="5"), name="other")
    other.wait_ready()
    sent = []
    for start in range(0, 40, 4):
        sent += send(shop, groups=5, each=4, start=start)
        wait_until(lambda: len(ledger(tmp_path)) >= len(sent) // 2, what="half of what was sent")
    shop.wait_empty(worker)
    worker.finish()
    other.finish()
    payments = ledger(tmp_path)
    check_order([p.order_id for p in payments], sent)
    assert len(payments) == len(sent)
