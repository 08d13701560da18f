"""--handler stdio end to end: the examples, results, in-flight messages, restarts, and that nothing survives the worker."""
import base64
import json
import shutil
import signal
import sys

import pytest

import harness
from handler_harness import EXAMPLES, KINDS, OPERATIONS, Handled, kinds, lives, wait_gone
from harness import wait_until
from worker_harness import envelope, order

PYTHON = [sys.executable, "-S", EXAMPLES / "stdio-orders.py"]
NODE = ["node", EXAMPLES / "stdio-orders.mjs"]
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="no node")

# A co-process whose answer is an expression over the message m; it leaves its pid and what it was given.
SCRIPTED = """
import json, os, signal, sys, time
folder = os.environ["FOLDER"]
def note(name, *words):
    with open(os.path.join(folder, name), "a") as file:
        file.write(" ".join(map(str, words)) + "\\n")
def say(**result):
    sys.stdout.write(json.dumps(result) + "\\n")
    sys.stdout.flush()
note("pids", os.getpid())
while line := sys.stdin.readline():
    m = json.loads(line)
    note("lines", line.strip())
"""


def scripted(handled, text):
    body = "".join(f"    {line}\n" for line in text.strip("\n").splitlines())
    return [sys.executable, "-S", handled.program(SCRIPTED + body, "co.py")]


@pytest.mark.parametrize("argv, args", [
    (PYTHON, []), (PYTHON, ["--stdio-in-flight", "10", "--stdio-processes", "1"]),
    pytest.param(NODE, ["--stdio-in-flight", "16"], marks=needs_node)])
def test_the_examples_handle_every_order_once(spawn, localaws, tmp_path, argv, args):
    handled = Handled(spawn, localaws, tmp_path)
    sent = handled.shop.send_orders(200)
    handled.send("no order at all")
    worker = handled.start("stdio", argv, [*args, "--visibility-timeout", "60s", "--stdio-timeout", "10m"])
    worker.wait_stats(lambda s: s["deleted"] == 200)
    assert handled.wait_logged("no order")
    worker.finish()
    assert sorted(handled.order_ids()) == sorted(sent)
    assert sum(handled.shop.counts()) == 1


@pytest.mark.parametrize("name", kinds())
def test_a_fault_loses_and_doubles_nothing(spawn, localaws, tmp_path, name):
    handled = Handled(spawn, localaws, tmp_path)
    sent = handled.shop.send_orders(30)
    for seed, operation in enumerate(OPERATIONS):
        handled.shop.inject(operation, **dict(KINDS[name], seed=seed + 7))
    # 3 s of product time each, in six rounds, under 8 s of visibility: every message is extended.
    program = scripted(handled, f"time.sleep({3 / handled.shop.speed})\n"
                                'note("orders.log", m["id"], json.loads(m["body"])["order_id"])\n'
                                'say(id=m["id"], ok=True)')
    worker = handled.start("stdio", program, ["--stdio-processes", "5", "--visibility-timeout", "8s", "--stdio-timeout", "10m"])
    handled.shop.wait_empty(worker)
    assert handled.shop.fired() >= len(OPERATIONS), "a fault never happened"
    worker.finish()
    assert sorted(handled.order_ids()) == sorted(sent)
    assert len(handled.lines("pids")) == 5, "no process was restarted"


def test_a_message_is_one_line_with_all_that_is_known(spawn, localaws, tmp_path):
    handled = Handled(spawn, localaws, tmp_path)
    body = 'a "quoted" line\nand another, é€😀 \u2028'
    handled.send(body, attributes={
        "Trace.id": {"DataType": "String", "StringValue": "x\ny"},
        "key": {"DataType": "Binary.raw", "BinaryValue": base64.b64encode(b"\0\xff").decode()}})
    handled.send(envelope('{"published": true}', Subject="hello"))
    worker = handled.start("stdio", scripted(handled, 'say(id=m["id"], ok=True)'), ["--stdio-processes", "1"])
    handled.shop.wait_empty(worker)
    worker.finish()
    got = {m["body"]: m for m in map(json.loads, handled.lines("lines"))}
    plain, published = got[body], got['{"published": true}']
    assert plain["attributes"] == {"Trace.id": {"type": "String", "value": "x\ny"},
                                   "key": {"type": "Binary.raw", "value": "AP8="}}
    assert len(plain["id"]) == 36 and plain["receipt_handle"] and plain["receive_count"] == 1
    assert plain["sent_ms"] > 1_700_000_000_000 and plain["sns"] is None and plain["group_id"] is None
    assert published["sns"]["subject"] == "hello" and published["sns"]["topic_arn"].endswith(":orders")


def test_results_are_verdicts(spawn, localaws, tmp_path):
    handled = Handled(spawn, localaws, tmp_path)
    program = scripted(handled, 'say(id=m["id"], **json.loads(m["body"]))')
    worker = handled.start("stdio", program, ["--visibility-timeout", "60s"])
    handled.send('{"ok": true, "more": [1]}', '{"ok": false, "result": "done"}', '{"ok": false, "reason": "just false"}',
                 '{"result": "failed", "reason": "no stock", "status": 409}', '{"result": "retry", "delay_s": 1000}')
    assert handled.wait_logged("no stock") and handled.wait_logged("just false")
    worker.wait_stats(lambda s: s["deleted"] == 2)
    worker.finish()
    assert sum(handled.shop.counts()) == 3
    assert len(handled.lines("pids")) <= harness.os.cpu_count()


@pytest.mark.parametrize("argv", [PYTHON, pytest.param(NODE, marks=needs_node)])
def test_not_now_and_never(spawn, localaws, tmp_path, argv):
    handled = Handled(spawn, localaws, tmp_path)
    dead = handled.shop.sqs.create("dead")
    (tmp_path / "orders.log.closed").touch()
    worker = handled.start("stdio", argv, ["--dlq-url", dead, "--stdio-timeout", "10m"])
    handled.send(order("o-1"), "no order")
    put_off = handled.wait_logged("closed for now")[0]
    assert put_off["message"] == "message put off" and put_off["again_in_s"] == 30
    worker.wait_stats(lambda s: s.get("quarantined") == 1)
    (tmp_path / "orders.log.closed").unlink()
    handled.shop.wait_empty(worker)
    worker.finish()
    assert handled.order_ids() == ["o-1"]
    body, attributes = handled.dead_letter(dead)
    assert body == "no order" and attributes["sluice.reason"].startswith("no order")
    assert worker.stats()["failed"] == 0 and worker.stats()["rejected"] == 1 and worker.stats()["retried"] == 1


def test_a_large_body_goes_through_and_comes_back(spawn, localaws, tmp_path):
    handled = Handled(spawn, localaws, tmp_path)
    handled.send(*["é" * 500_000] * 3)
    program = scripted(handled, 'note("sizes", len(m["body"]))\nsay(id=m["id"], ok=True, echo="x" * 900000)')
    worker = handled.start("stdio", program, ["--stdio-processes", "1", "--stdio-in-flight", "3"])
    handled.shop.wait_empty(worker)
    worker.finish()
    assert handled.lines("sizes") == ["500000"] * 3 and len(handled.lines("pids")) == 1


@pytest.mark.parametrize("answer, reason", [
    ("sys.exit(3)", "co-process ended: exit 3"),
    ("os.kill(os.getpid(), signal.SIGKILL)", "co-process ended: SIGKILL"),
    ('sys.exit("Traceback: no luck")', "exit 1: Traceback: no luck"),
    ('print("hello", flush=True)', "no result line"),
    ('say(id=m["id"])', 'neither "ok" nor "result"'),
    ('say(id=m["id"], result="perhaps")', "none of done, failed, retry, reject"),
    ('say(id=m["id"], result="retry", delay_s=43201)', "not from 0 to 43200"),
    ('say(ok=True)', 'no "id"'),
    ('say(id="another", ok=True)', "a message that it does not have"),
    ('print("x" * 1100000, flush=True)', "more than 1 MiB"),
    ('sys.stdout.write("x" * 1100000); sys.stdout.flush()', "more than 1 MiB"),
    ("os.close(1)\ntime.sleep(1000)", "closed its standard output"),
    ("time.sleep(1000)", "no answer within 2s"),
    ("signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: time.sleep(1)", "SIGKILL"),
])
def test_a_process_that_does_wrong_fails_its_message_alone_and_is_restarted(spawn, localaws, tmp_path, answer, reason):
    handled = Handled(spawn, localaws, tmp_path)
    text = "if m['body'] == 'bad':\n" + "".join(f"    {line}\n" for line in answer.splitlines())
    text += '    continue\nnote("orders.log", m["id"], m["body"])\nsay(id=m["id"], ok=True)'
    worker = handled.start("stdio", scripted(handled, text), [
        "--stdio-processes", "1", "--stdio-timeout", "2s", "--stdio-kill-after", "1s", "--visibility-timeout", "10m",
        "--retry-delays", "10m"])
    handled.send("good-1")
    handled.wait_lines(1)
    handled.send("bad")
    wait_until(lambda: any(line["message"] == "message failed" for line in handled.logged(reason)), what=reason)
    handled.send("good-2")
    worker.wait_stats(lambda s: s["deleted"] == 2)
    worker.finish()
    assert handled.order_ids() == ["good-1", "good-2"]
    first, second = handled.lines("pids")[0], handled.lines("pids")[-1]
    assert first != second
    wait_gone(handled.lines("pids"))


def test_answers_come_in_any_order(spawn, localaws, tmp_path):
    handled = Handled(spawn, localaws, tmp_path)
    # Waits for eight and answers them from the last to the first.
    program = scripted(handled, 'held = globals().setdefault("held", [])\nheld.append(m["id"])\n'
                                'if len(held) == 8:\n    while held: say(id=held.pop(), ok=True)')
    worker = handled.start("stdio", program, ["--stdio-processes", "1", "--stdio-in-flight", "8", "--stdio-timeout", "10m"])
    handled.shop.send_orders(40)
    handled.shop.wait_empty(worker)
    worker.finish()
    assert worker.stats()["deleted"] == 40 and len(handled.lines("lines")) == 40


def test_no_message_fails_while_no_process_runs(spawn, localaws, tmp_path):
    """The program ends at once until a file is there: it is restarted, ever more slowly, and the messages wait."""
    handled = Handled(spawn, localaws, tmp_path)
    sent = handled.shop.send_orders(20)
    program = handled.program('#!/bin/sh\necho $$ >>"$FOLDER/starts"\n[ -e "$FOLDER/open" ] || { echo closed >&2; exit 9; }\n'
                              f'exec {" ".join(map(str, PYTHON))}\n')
    worker = handled.start("stdio", [program], ["--stdio-processes", "2", "--stdio-timeout", "10m"])
    handled.wait_lines(6, "starts")
    assert handled.wait_logged("co-process ended: exit 9: closed")
    (tmp_path / "open").touch()
    handled.shop.wait_empty(worker)
    worker.finish()
    assert sorted(handled.order_ids()) == sorted(sent)
    assert worker.stats()["failed"] == 0 and worker.stats()["completed"] == 20


def test_a_lost_lease_restarts_a_process_that_has_one_message(spawn, localaws, tmp_path):
    handled = Handled(spawn, localaws, tmp_path)
    program = scripted(handled, 'if m["receive_count"] == 1: time.sleep(1000)\nnote("orders.log", m["id"], '
                                'json.loads(m["body"])["order_id"])\nsay(id=m["id"], ok=True)')
    sent = handled.shop.send_orders(2)
    handled.shop.inject("ChangeMessageVisibilityBatch", "entry_error", entry_probability=1, code="ReceiptHandleIsInvalid")
    worker = handled.start("stdio", program, ["--stdio-processes", "2", "--visibility-timeout", "4s", "--stdio-timeout", "1h"])
    handled.wait_logged("the lease of its message was lost", 2)
    handled.shop.server.faults("DELETE")
    handled.shop.wait_empty(worker)
    worker.finish()
    assert sorted(handled.order_ids()) == sorted(sent)


def test_a_lost_lease_is_told_to_a_process_that_has_several(spawn, localaws, tmp_path):
    """The late answers are dropped, the process goes on."""
    handled = Handled(spawn, localaws, tmp_path)
    program = scripted(handled, 'if "cancel" in m: say(id=m["cancel"], ok=True)\nelif m["receive_count"] > 1: '
                                'note("orders.log", m["id"], json.loads(m["body"])["order_id"]); say(id=m["id"], ok=True)')
    sent = handled.shop.send_orders(3)
    handled.shop.inject("ChangeMessageVisibilityBatch", "entry_error", entry_probability=1, code="ReceiptHandleIsInvalid")
    worker = handled.start("stdio", program, ["--stdio-processes", "1", "--stdio-in-flight", "3", "--visibility-timeout", "4s",
                                              "--stdio-timeout", "1h"])
    worker.wait_stats(lambda s: s["lease_lost"] >= 3, what="lost leases")
    handled.shop.server.faults("DELETE")
    handled.shop.wait_empty(worker)
    worker.finish()
    assert sorted(handled.order_ids()) == sorted(sent)
    assert len(handled.lines("pids")) == 1
    assert sum('"cancel"' in line for line in handled.lines("lines")) >= 3


def test_a_canceled_message_that_is_never_answered_restarts_its_process(spawn, localaws, tmp_path):
    handled = Handled(spawn, localaws, tmp_path)
    program = scripted(handled, 'if m.get("receive_count", 0) > 1: say(id=m["id"], ok=True)')
    handled.shop.send_orders(1)
    handled.shop.inject("ChangeMessageVisibilityBatch", "entry_error", entry_probability=1, code="ReceiptHandleIsInvalid")
    worker = handled.start("stdio", program, ["--stdio-processes", "1", "--stdio-in-flight", "2", "--visibility-timeout", "4s",
                                              "--stdio-timeout", "20s"])
    assert handled.wait_logged("no answer to a canceled message")
    handled.shop.server.faults("DELETE")
    handled.shop.wait_empty(worker)
    worker.finish()
    assert len(handled.lines("pids")) >= 2


def test_standard_error_goes_to_the_log(spawn, localaws, tmp_path):
    handled = Handled(spawn, localaws, tmp_path)
    program = scripted(handled, 'sys.stderr.write("about " + m["body"] + " \\x1b[1m\\n")\nsys.stderr.write("f\\n" * 5000)\n'
                                'say(id=m["id"], ok=True)')
    handled.send("one")
    worker = handled.start("stdio", program, ["--stdio-processes", "1"])
    handled.shop.wait_empty(worker)
    worker.finish()
    assert "coprocess" in handled.logged("stderr: about one \ufffd[1m")[0]
    assert handled.logged("more lines, not shown")
    assert len(handled.logged("stderr: f")) < 5000


def test_a_drain_under_load_finishes_what_runs_and_ends_the_processes(spawn, localaws, tmp_path):
    handled = Handled(spawn, localaws, tmp_path)
    sent = handled.shop.send_orders(100)
    program = scripted(handled, 'time.sleep(0.05)\nnote("orders.log", m["id"], json.loads(m["body"])["order_id"])\n'
                                'say(id=m["id"], ok=True)')
    worker = handled.start("stdio", program, ["--stdio-processes", "3", "--stdio-timeout", "10m"])
    handled.wait_lines(6)
    worker.process.signal(signal.SIGTERM)
    assert worker.process.wait() == 0
    done = handled.order_ids()
    assert len(set(done)) == len(done) >= 6
    assert handled.shop.counts() == (len(sent) - len(done), 0)
    assert not any(lives(pid) for pid in handled.lines("pids")) and len(handled.lines("pids")) == 3


def test_processes_that_ignore_the_end_of_input_and_term_are_killed(spawn, localaws, tmp_path):
    handled = Handled(spawn, localaws, tmp_path)
    program = handled.program('#!/bin/sh\ntrap "" TERM\necho $$ >>"$FOLDER/pids"\nwhile :; do sleep 1; done\n')
    worker = handled.start("stdio", [program], ["--stdio-processes", "2", "--stdio-kill-after", "1h"])
    pids = handled.wait_lines(2, "pids")
    worker.wait_ready()
    worker.finish()
    assert not any(lives(pid) for pid in pids)


def test_one_that_is_being_ended_already_does_not_hold_up_the_drain(spawn, localaws, tmp_path):
    handled = Handled(spawn, localaws, tmp_path)
    program = handled.program('#!/bin/sh\ntrap "echo >>$FOLDER/told" TERM\necho $$ >>"$FOLDER/pids"\necho garbage\n'
                              'while :; do sleep 0.1; done\n')
    worker = handled.start("stdio", [program], ["--stdio-processes", "1", "--stdio-kill-after", "1h"])
    handled.wait_lines(1, "told")
    worker.finish()
    assert not any(lives(pid) for pid in handled.lines("pids"))


def test_when_the_grace_is_over_nothing_survives(spawn, localaws, tmp_path):
    handled = Handled(spawn, localaws, tmp_path)
    handled.shop.send_orders(2)
    program = handled.program('#!/bin/sh\ntrap "" TERM\nsleep 1000 &\necho $! >>"$FOLDER/pids"\necho $$ >>"$FOLDER/pids"\n'
                              'read -r line; echo x >>"$FOLDER/busy"; while :; do sleep 1; done\n')
    worker = handled.start("stdio", [program], ["--stdio-processes", "2", "--stdio-timeout", "1h", "--stdio-kill-after", "1h"],
                           SLUICE_STOP_GRACE="5s")
    handled.wait_lines(2, "busy")
    worker.process.signal(signal.SIGTERM)
    assert worker.process.wait() == 0
    wait_gone(handled.lines("pids"))
    assert handled.shop.counts() == (2, 0)


def test_processes_die_with_a_killed_worker(spawn, localaws, tmp_path):
    handled = Handled(spawn, localaws, tmp_path)
    program = handled.program('#!/bin/sh\ntrap "" TERM\necho $$ >>"$FOLDER/pids"\nwhile :; do sleep 0.2; done\n')
    worker = handled.start("stdio", [program], ["--stdio-processes", "2"])
    pids = handled.wait_lines(2, "pids")
    worker.process.kill()
    wait_gone(pids)


@pytest.mark.parametrize("args, code, words", [
    ([], 64, "-- PROGRAM"),
    (["--", "no-such-program-anywhere"], 78, "no-such-program-anywhere: not found in PATH"),
    (["--stdio-in-flight", "0", "--", "true"], 64, "from 1 to 1000"),
])
def test_wrong_settings_end_the_worker_before_it_takes_a_message(spawn, tmp_path, args, code, words):
    env = harness.environment("http://127.0.0.1:9", SQS_QUEUE_URL="http://127.0.0.1:9/123456789012/q")
    worker = spawn([harness.BIN / "sluice-worker", "--handler", "stdio", *args], env)
    assert worker.wait(30) == code
    assert words in worker.stderr()


def test_processes_killed_at_random_lose_nothing(spawn, localaws, tmp_path):
    """The ledger line and the answer are two steps: a kill between them may handle twice, never lose."""
    handled = Handled(spawn, localaws, tmp_path)
    sent = handled.shop.send_orders(300)
    program = scripted(handled, 'time.sleep(0.005)\nnote("orders.log", m["id"], json.loads(m["body"])["order_id"])\n'
                                'say(id=m["id"], ok=True)')
    worker = handled.start("stdio", program, ["--stdio-processes", "3", "--stdio-in-flight", "4", "--retry-delays", "1s",
                                              "--stdio-timeout", "10m"])
    kills = 0
    while kills < 8 and len(handled.lines()) < 250:
        count = len(handled.lines()) + 15
        wait_until(lambda: len(handled.lines()) >= min(count, 300), what="progress")
        pid = [pid for pid in handled.lines("pids") if lives(pid)]
        if pid:
            harness.os.kill(int(pid[kills % len(pid)]), signal.SIGKILL)
            kills += 1
    handled.shop.wait_empty(worker)
    worker.finish()
    done = handled.order_ids()
    assert set(done) == sent and kills >= 3
    assert len(done) - len(sent) <= kills
