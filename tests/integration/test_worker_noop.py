"""The noop handler's options, and that the benchmark which uses them starts. No figure is judged here."""
import pathlib
import subprocess
import sys

import pytest

import harness
from worker_harness import Shop, Worker

BENCH = pathlib.Path(__file__).resolve().parent.parent / "bench"
sys.path.insert(0, str(BENCH))
import common  # noqa: E402

SLOW = ("--handler", "noop", "--noop-slow-share", "0.4", "--noop-slow-time", "12h", "--noop-seed", "7")


def test_slow_messages_are_those_that_the_hash_of_body_and_seed_tells(spawn, localaws, tmp_path):
    """The benchmark's rivals choose by the same rule in other languages: a rule of its own would not be the same work."""
    shop = Shop(localaws, tmp_path, speed=1)
    bodies = [common.plain_body(i, 200) for i in range(harness.threads(60))]
    slow = sorted(body for body in bodies if common.slow_hash(body, 7) < 0.4 * 2**32)
    assert 0 < len(slow) < len(bodies)
    shop.send(bodies)
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(SLUICE_STOP_GRACE="2s"), SLOW)
    worker.wait_stats(lambda s: s["deleted"] == len(bodies) - len(slow) and s["busy"] == len(slow))
    worker.finish()  # the slow ones don't end before the grace: handed back
    assert shop.counts() == (len(slow), 0)
    received = []
    while messages := shop.sqs.call("ReceiveMessage", QueueUrl=shop.queue_url, MaxNumberOfMessages=10).get("Messages"):
        received += [message["Body"] for message in messages]
    assert sorted(received) == slow


def test_a_noop_that_takes_time_handles_everything_once(spawn, localaws, tmp_path):
    shop = Shop(localaws, tmp_path, speed=1)
    shop.send(common.plain_body(i, 200) for i in range(120))
    worker = Worker(spawn, tmp_path, shop.queue_url, shop.env(NUM_WORKERS=8),
                    ("--handler", "noop", "--noop-time", "20ms"))
    shop.wait_empty(worker)
    stats = worker.wait_stats(lambda s: s["deleted"] == 120)
    assert (stats["completed"], stats["failed"], stats["redelivered"]) == (120, 0, 0)
    assert stats["handle_ms_sum"] >= 120 * 19  # whole milliseconds are taken at both ends
    worker.finish()


@pytest.mark.parametrize("option,value", [("--noop-slow-share", "1.5"), ("--noop-time", "10"), ("--noop-seed", "-1")])
def test_noop_options_out_of_range_are_usage_errors(tmp_path, option, value):
    done = subprocess.run([harness.BIN / "sluice-worker", "--handler", "noop", option, value], cwd=tmp_path,
                          env=harness.environment("http://127.0.0.1:1", SQS_QUEUE_URL="http://127.0.0.1:1/1/q"),
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 64
    assert option.strip("-").replace("-", "_") in done.stderr and value in done.stderr


def bench(*args):
    return subprocess.run([BENCH / "worker", *args], capture_output=True, text=True, timeout=60)


def test_the_benchmark_tells_how_it_is_used():
    done = bench("--help")
    assert done.returncode == 0
    for word in ("--report", "--quick", "go-sdk-v2", "sqs-consumer-15", "mixed"):
        assert word in done.stdout


@pytest.mark.parametrize("args", [("--bogus",), ("--rounds", "0"), ("--client", "nobody"), ("--scenario", "none")])
def test_the_benchmark_refuses_what_it_does_not_know(args):
    assert bench(*args).returncode == 64


def test_the_best_schedule_is_that_of_slots_in_the_order_of_the_queue():
    import drain

    scenario = drain.Scenario("x", "", time_ms=100, threads=2)
    assert scenario.best_s(["a"] * 5) == pytest.approx(0.3)
    mixed = drain.Scenario("x", "", time_ms=100, slow_share=1.0, slow_time_ms=1000, threads=4)
    assert mixed.best_s(["a"] * 5) == pytest.approx(2.0)
    assert drain.Scenario("x", "").best_s(["a"] * 5) == 0
