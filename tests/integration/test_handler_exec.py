"""--handler exec end to end: verdicts, environment, input, limits, output, and that no program outlives its message."""
import base64
import os
import signal

import pytest

import harness
from handler_harness import EXAMPLES, KINDS, OPERATIONS, Handled, kinds, lives, wait_gone
from harness import wait_until
from worker_harness import envelope, order

EXAMPLE = EXAMPLES / "exec-orders.sh"


def test_the_example_handles_every_order_once(spawn, localaws, tmp_path):
    handled = Handled(spawn, localaws, tmp_path)
    sent = handled.shop.send_orders(50)
    worker = handled.start("exec", [EXAMPLE])
    handled.shop.wait_empty(worker)
    worker.finish()
    assert sorted(handled.order_ids()) == sorted(sent)
    assert worker.stats()["completed"] == worker.stats()["deleted"] == 50


@pytest.mark.parametrize("name", kinds())
def test_a_fault_loses_and_doubles_nothing(spawn, localaws, tmp_path, name):
    handled = Handled(spawn, localaws, tmp_path)
    sent = handled.shop.send_orders(30)
    for seed, operation in enumerate(OPERATIONS):
        handled.shop.inject(operation, **dict(KINDS[name], seed=seed + 7))
    # 3 s of product time each, in six rounds, under 8 s of visibility: every message is extended.
    slow = handled.program(f'#!/bin/sh\nsleep {3 / handled.shop.speed}\nexec {EXAMPLE}\n')
    worker = handled.start("exec", [slow], ["--exec-slots", "5", "--visibility-timeout", "8s"])
    handled.shop.wait_empty(worker)
    assert handled.shop.fired() >= len(OPERATIONS), "a fault never happened"
    worker.finish()
    assert sorted(handled.order_ids()) == sorted(sent)
    assert handled.shop.counts() == (0, 0)


def test_exit_codes_are_verdicts(spawn, localaws, tmp_path):
    handled = Handled(spawn, localaws, tmp_path)
    program = handled.program('#!/bin/sh\nread -r what\necho "asked to $what" >&2\n'
                              'case $what in kill) kill -KILL $$;; *) exit "$what";; esac\n')
    worker = handled.start("exec", [program], ["--visibility-timeout", "60s"])
    handled.send("0", "3", "kill")
    for reason in ("exit 3: asked to 3", "SIGKILL: asked to kill"):
        assert handled.wait_logged(reason)
    worker.wait_stats(lambda s: s["deleted"] == 1 and s["failed"] >= 2)
    worker.finish()
    assert sum(handled.shop.counts()) == 2


def test_the_codes_for_not_now_and_never(spawn, localaws, tmp_path):
    """The example: its log is closed, so it says not now, and again when the delay is over; what is no order goes away."""
    handled = Handled(spawn, localaws, tmp_path)
    dead = handled.shop.sqs.create("dead")
    (tmp_path / "orders.log.closed").touch()
    worker = handled.start("exec", [EXAMPLE], ["--exec-retry-delay", "4s", "--dlq-url", dead])
    handled.send(order("o-1"), "no order")
    put_off = handled.wait_logged("exit 75: ")[0]
    assert put_off["message"] == "message put off" and put_off["again_in_s"] == 4
    assert "is closed for now" in put_off["reason"]
    worker.wait_stats(lambda s: s.get("quarantined") == 1)
    (tmp_path / "orders.log.closed").unlink()
    handled.shop.wait_empty(worker)
    worker.finish()
    assert handled.order_ids() == ["o-1"]
    body, attributes = handled.dead_letter(dead)
    assert body == "no order"
    assert attributes["sluice.reason"] == "exit 65: no JSON object" and attributes["sluice.status"] == "65"
    assert worker.stats()["failed"] == 0 and worker.stats()["rejected"] == 1 and worker.stats()["retried"] >= 1


def test_attributes_come_in_the_environment_and_change_no_other_variable(spawn, localaws, tmp_path):
    handled = Handled(spawn, localaws, tmp_path)
    program = handled.program('#!/bin/sh\nenv >"$FOLDER/env.part"; mv "$FOLDER/env.part" "$FOLDER/env"\n')
    text = {"DataType": "String"}
    handled.send("{}", attributes={
        "PATH": dict(text, StringValue="/evil"), "LD_PRELOAD": dict(text, StringValue="/evil.so"),
        "my.trace-id": dict(text, StringValue="a=b\nc"), "count": {"DataType": "Number", "StringValue": "7"},
        "key": {"DataType": "Binary.raw", "BinaryValue": base64.b64encode(b"\0\xff\n").decode()}})
    # What the operator's own environment says of messages is not this message's.
    worker = handled.start("exec", [program], SQS_MESSAGE_GROUP_ID="stale", SQS_ATTRIBUTE_OLD="stale", MINE="kept")
    env = "\n".join(handled.wait_lines(1, "env"))
    worker.finish()
    variables = dict(line.split("=", 1) for line in env.splitlines() if "=" in line)
    assert variables["PATH"] == os.environ["PATH"] and "LD_PRELOAD" not in variables
    assert variables["SQS_ATTRIBUTE_PATH"] == "/evil"
    assert variables["SQS_ATTRIBUTE_LD_PRELOAD"] == "/evil.so"
    assert "SQS_ATTRIBUTE_MY_TRACE_ID=a=b\nc\n" in env
    assert variables["SQS_ATTRIBUTE_COUNT"] == "7"
    assert base64.b64decode(variables["SQS_ATTRIBUTE_KEY"]) == b"\0\xff\n"
    assert variables["SQS_RECEIVE_COUNT"] == "1" and int(variables["SQS_SENT_TIMESTAMP"]) > 1_700_000_000_000
    assert variables["SQS_QUEUE_URL"] == handled.shop.queue_url
    assert len(variables["SQS_MESSAGE_ID"]) == 36 and variables["SQS_RECEIPT_HANDLE"]
    assert variables["MINE"] == "kept" and variables["AWS_ACCESS_KEY_ID"] == harness.ACCESS_KEY
    assert "SQS_MESSAGE_GROUP_ID" not in variables and "SQS_ATTRIBUTE_OLD" not in variables
    assert "SLUICE_TELEMETRY_FD" not in variables


def test_an_sns_envelope_is_unwrapped(spawn, localaws, tmp_path):
    handled = Handled(spawn, localaws, tmp_path)
    program = handled.program('#!/bin/sh\necho "$SQS_SNS_TOPIC_ARN|$SQS_SNS_SUBJECT|$(cat)" >>"$FOLDER/got"\n')
    handled.send(envelope("payload", Subject="hello"))
    worker = handled.start("exec", [program])
    assert handled.wait_lines(1, "got") == ["arn:aws:sns:us-east-1:123456789012:orders|hello|payload"]
    worker.finish()


def test_an_attribute_too_large_for_an_environment_fails_its_message_alone(spawn, localaws, tmp_path):
    handled = Handled(spawn, localaws, tmp_path)
    worker = handled.start("exec", ["true"], ["--visibility-timeout", "60s"])
    handled.send("{}", attributes={"big": {"DataType": "String", "StringValue": "x" * 140_000}})
    handled.send("{}")
    reason = handled.wait_logged("too long for an environment")[0]["reason"]
    assert "SQS_ATTRIBUTE_BIG" in reason and "xxx" not in reason
    worker.wait_stats(lambda s: s["deleted"] == 1)
    worker.finish()
    assert sum(handled.shop.counts()) == 1


def test_a_large_body_goes_in_whole_and_need_not_be_read(spawn, localaws, tmp_path):
    handled = Handled(spawn, localaws, tmp_path)
    body = "é" * (1_040_000 // 2)
    program = handled.program('#!/bin/sh\ncase $SQS_ATTRIBUTE_HOW in whole) wc -c >>"$FOLDER/sizes";;'
                              ' start) head -c 10 >/dev/null;; close) exec <&-; sleep 0.1;; esac\n')
    for how in ("whole", "start", "close", "none"):
        handled.send(body, attributes={"how": {"DataType": "String", "StringValue": how}})
    worker = handled.start("exec", [program])
    handled.shop.wait_empty(worker)
    worker.finish()
    assert [int(line) for line in handled.lines("sizes")] == [1_040_000]
    assert worker.stats()["completed"] == 4 and worker.stats()["failed"] == 0


def test_a_program_that_ignores_term_is_killed_with_all_it_started(spawn, localaws, tmp_path):
    handled = Handled(spawn, localaws, tmp_path)
    program = handled.program('#!/bin/sh\ntrap "echo heard TERM" TERM\nsh -c \'trap "" TERM; echo $$; while :; do sleep 1; done\''
                              ' >>"$FOLDER/pids" &\necho $$ >>"$FOLDER/pids"\nwhile :; do sleep 0.05; done\n')
    handled.send("{}")
    worker = handled.start("exec", [program], ["--exec-timeout", "3s", "--exec-kill-after", "2s"])
    pids = handled.wait_lines(2, "pids")
    assert handled.wait_logged("time limit of 3s, then SIGKILL")
    assert handled.logged("stdout: heard TERM")
    wait_gone(pids[:2])
    worker.process.signal(signal.SIGTERM)
    assert worker.process.wait() == 0
    wait_gone(handled.lines("pids"))
    assert sum(handled.shop.counts()) == 1


def test_what_a_program_leaves_behind_neither_survives_nor_holds_up_its_message(spawn, localaws, tmp_path):
    handled = Handled(spawn, localaws, tmp_path)
    program = handled.program('#!/bin/sh\nsleep 1000 &\necho $! >>"$FOLDER/pids"\n'
                              'setsid sleep 1001 &\necho $! >>"$FOLDER/escaped"\necho done\n')
    handled.send("{}", "{}", "{}")
    worker = handled.start("exec", [program])
    handled.shop.wait_empty(worker, timeout_s=60)
    wait_gone(handled.lines("pids"))
    assert len(handled.logged("stdout: done")) == 3
    worker.finish()
    for pid in handled.lines("escaped"):
        if lives(pid):
            os.kill(int(pid), signal.SIGKILL)


def test_a_flood_of_output_is_bounded_and_made_safe(spawn, localaws, tmp_path):
    handled = Handled(spawn, localaws, tmp_path)
    flood = 2_000_000 if harness.SANITIZED else 20_000_000
    program = handled.program(
        '#!/bin/sh\nprintf "bad \\377 \\033[31mred\\n"\nhead -c 5000 /dev/zero | tr "\\0" x\necho\n'
        f'yes flood | head -c {flood}\nhead -c {flood} /dev/zero\necho the end >&2\nexit 4\n')
    handled.send("{}")
    # The bound is one delivery's: there is no other within the test.
    worker = handled.start("exec", [program], ["--visibility-timeout", "1h", "--retry-delays", "10h", "--exec-timeout", "1h"])
    assert handled.wait_logged("exit 4: the end")
    worker.finish()
    shown = handled.logged("stdout: ")
    assert 10 < len(shown) <= 1000 and {len(line["message_id"]) for line in shown} == {36}
    assert handled.logged("stdout: bad \ufffd \ufffd[31mred")
    assert handled.logged("stdout: " + "x" * 2000 + "...")
    assert handled.logged("more lines, not shown")
    assert worker.process.stderr_path.stat().st_size < 1_000_000


def test_a_lost_lease_ends_the_program_and_another_delivery_does_the_work(spawn, localaws, tmp_path):
    handled = Handled(spawn, localaws, tmp_path)
    program = handled.program('#!/bin/sh\ntrap "echo stopped >>$FOLDER/stopped; exit 1" TERM\n'
                              f'i=0; while [ $i -lt 40 ]; do sleep {0.2 / handled.shop.speed}; i=$((i + 1)); done\n'
                              f'exec {EXAMPLE}\n')
    sent = handled.shop.send_orders(3)
    handled.shop.inject("ChangeMessageVisibilityBatch", "entry_error", entry_probability=1, code="ReceiptHandleIsInvalid")
    worker = handled.start("exec", [program], ["--visibility-timeout", "4s"])
    handled.wait_lines(3, "stopped")
    handled.shop.server.faults("DELETE")
    handled.shop.wait_empty(worker)
    worker.finish()
    assert sorted(handled.order_ids()) == sorted(sent)


def test_a_drain_under_load_finishes_what_runs_and_hands_back_the_rest(spawn, localaws, tmp_path):
    handled = Handled(spawn, localaws, tmp_path)
    sent = handled.shop.send_orders(60)
    slow = handled.program(f'#!/bin/sh\nsleep 0.2\nexec {EXAMPLE}\n')
    worker = handled.start("exec", [slow], ["--exec-slots", "5"])
    handled.wait_lines(5)
    worker.process.signal(signal.SIGTERM)
    assert worker.process.wait() == 0
    done = handled.order_ids()
    assert len(set(done)) == len(done) >= 5
    assert handled.shop.counts() == (len(sent) - len(done), 0)


def test_when_the_grace_is_over_nothing_of_the_programs_survives(spawn, localaws, tmp_path):
    handled = Handled(spawn, localaws, tmp_path)
    handled.shop.send_orders(3)
    program = handled.program('#!/bin/sh\ntrap "" TERM\nsleep 1000 &\necho $! >>"$FOLDER/pids"\n'
                              'echo $$ >>"$FOLDER/pids"\nwhile :; do sleep 1000; done\n')
    worker = handled.start("exec", [program], ["--exec-timeout", "0", "--exec-kill-after", "1h"], SLUICE_STOP_GRACE="5s")
    pids = handled.wait_lines(6, "pids")
    worker.process.signal(signal.SIGTERM)
    assert worker.process.wait() == 0
    wait_gone(pids)
    assert handled.shop.counts() == (3, 0)


def test_programs_die_with_a_killed_worker(spawn, localaws, tmp_path):
    handled = Handled(spawn, localaws, tmp_path)
    handled.shop.send_orders(3)
    program = handled.program('#!/bin/sh\ntrap "" TERM\necho $$ >>"$FOLDER/pids"\nexec sleep 1000\n')
    worker = handled.start("exec", [program], ["--exec-timeout", "0"])
    pids = handled.wait_lines(3, "pids")
    assert all(lives(pid) for pid in pids)
    worker.process.kill()
    wait_gone(pids)


def test_a_program_that_vanishes_burns_no_message(spawn, localaws, tmp_path):
    handled = Handled(spawn, localaws, tmp_path)
    program = handled.program(f'#!/bin/sh\nexec {EXAMPLE}\n')
    worker = handled.start("exec", [program], ["--retry-delays", "1s"])
    worker.wait_ready()
    program.rename(program.with_name("away"))
    handled.send(order("o-1"))
    assert handled.wait_logged("No such file or directory")
    program.with_name("away").rename(program)
    handled.shop.wait_empty(worker)
    worker.finish()
    assert handled.order_ids() == ["o-1"]


@pytest.mark.parametrize("args, code, words", [
    ([], 64, "-- PROGRAM"),
    (["--"], 64, "-- PROGRAM"),
    (["--", "no-such-program-anywhere"], 78, "no-such-program-anywhere: not found in PATH"),
    (["--", "/etc/passwd"], 78, "/etc/passwd: Permission denied"),
    (["--", "/tmp"], 78, "/tmp: Permission denied"),
    (["--exec-retry-code", "65", "--", "true"], 64, "both 65"),
    (["--exec-retry-delay", "1500ms", "--", "true"], 64, "whole seconds"),
    (["--exec-retry-code", "256", "--", "true"], 64, "from 0 to 255"),
])
def test_wrong_settings_end_the_worker_before_it_takes_a_message(spawn, tmp_path, args, code, words):
    env = harness.environment("http://127.0.0.1:9", SQS_QUEUE_URL="http://127.0.0.1:9/123456789012/q")
    worker = spawn([harness.BIN / "sluice-worker", "--handler", "exec", *args], env)
    assert worker.wait(30) == code
    assert words in worker.stderr()


def test_a_hundred_programs_at_once(spawn, localaws, tmp_path):
    """As many as threads by default; each has its own input, output and environment."""
    handled = Handled(spawn, localaws, tmp_path)
    sent = handled.shop.send_orders(300)
    at_once = harness.threads(100)
    program = handled.program('#!/bin/sh\necho x >>"$FOLDER/started"\n'
                              f'while [ "$(wc -l <"$FOLDER/started")" -lt {at_once} ]; do sleep 0.1; done\n'
                              f'exec {EXAMPLE}\n')
    worker = handled.start("exec", [program], ["--exec-timeout", "10m"])
    handled.shop.wait_empty(worker)
    worker.finish()
    assert sorted(handled.order_ids()) == sorted(sent)
    assert wait_until(lambda: worker.of_type("bye"))
