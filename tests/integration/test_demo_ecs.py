"""sluice demo --ecs: the sale on an ECS service whose tasks are worker processes; a clean end whatever happens."""
import itertools
import signal
import subprocess

import pytest

from demo_harness import argv, demo, environment, programs_of
from harness import BIN, wait_until

QUICK = ["--ecs", "--ecs-start-latency", "20s", "--duration", "10s", "--rate", "20", "--payment-time", "2s", "--max", "4",
         "--threads", "16"]


@pytest.fixture(scope="module")
def sale(tmp_path_factory):
    """One small sale with its report, words and folder, for the tests that only look."""
    folder = tmp_path_factory.mktemp("sale")
    return *demo(folder, *QUICK, "--seed", 3, "--keep"), folder


@pytest.mark.full_speed
def test_a_sale_on_ecs_is_good(sale):
    report, text, folder = sale
    assert report["good"] and report["failures"] == []
    assert report["sent"] == report["completed_unique"] == 200
    assert report["lost"] == report["duplicates"] == report["failed"] == report["restarts"] == 0
    assert report["settings"]["fleet"] == "ecs" and report["settings"]["ecs_start_latency_s"] == 20
    assert report["threads_per_worker_min"] >= 17
    assert report["process_concurrency_max"] <= 5
    assert "Verdict    good: nothing lost, nothing paid twice" in text
    assert "ECS service flash-sale/order-processor-workers with a desired count of 2" in text
    assert "its desired count was 4 at the peak and 2 at the end" in text
    assert report["reporting_max"] == 4  # all tasks' telemetry reached the supervisor
    assert programs_of(folder) == []


@pytest.mark.full_speed
def test_the_desired_count_rises_and_comes_back_step_by_step(sale):
    report = sale[0]
    samples = report["samples"]
    steps = [desired for desired, _ in itertools.groupby(s["desired"] for s in samples)]
    assert steps[:2] == [2, 4] and steps[-1] == 2  # 3 between, unless nobody looked for its minute
    assert all(later < earlier for earlier, later in zip(steps[1:], steps[2:]))
    assert (report["peak_desired"], report["final_desired"], report["final_workers"]) == (4, 2, 2)
    assert report["peak_workers"] == 4
    assert any(s["starting"] for s in samples)  # a task takes its time
    assert all(s["ready"] + s["starting"] <= 4 for s in samples)
    assert (samples[-1]["ready"], samples[-1]["starting"], samples[-1]["draining"]) == (2, 0, 0)


@pytest.mark.full_speed
def test_every_task_leaves_its_log_in_the_kept_folder(sale):
    folder, = sale[2].glob("sluice-demo-*")
    assert len(list((folder / "tasks").glob("*.log"))) == 4
    assert len((folder / "ledger").read_text().splitlines()) == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_sale_ends_protected_tasks_too(tmp_path, spawn, number):
    process = spawn(argv(*QUICK, "--duration", "60s", "--keep"), environment(tmp_path), name="demo")
    wait_until(lambda: "decision: " in process.stdout(), what="the first decision")
    assert len(programs_of(tmp_path)) >= 5  # itself, endpoint, supervisor, load and workers
    process.signal(number)
    assert process.wait() == 1
    assert f"interrupted by signal {int(number)}" in process.stdout()
    assert "was killed" not in process.stdout() and "was not removed" not in process.stdout()
    assert programs_of(tmp_path) == []
    # They drained: each said so, none was cut short.
    logs = [log.read_text() for log in tmp_path.glob("sluice-demo-*/tasks/*.log")]
    ready = [log for log in logs if '"message":"ready"' in log]
    assert len(ready) >= 2 and all('"reason":"drained"' in log for log in ready)


def test_a_killed_demo_leaves_no_task_behind(tmp_path, spawn):
    process = spawn(argv(*QUICK, "--duration", "60s"), environment(tmp_path), name="demo")
    wait_until(lambda: "the sale begins" in process.stdout(), what="the sale")
    process.signal(signal.SIGKILL)
    process.wait()
    wait_until(lambda: programs_of(tmp_path) == [], what="all programs to end")


@pytest.mark.parametrize("args, words", [
    (["--ecs", "--chaos"], "--chaos kills workers that are the supervisor's own processes"),
    (["--ecs-start-latency", "5s"], "--ecs-start-latency is for --ecs"),
    (["--ecs", "--ecs-start-latency", "11m"], "from 1ms to 10m"),
])
def test_options_that_do_not_go_together_are_refused(tmp_path, args, words):
    done = subprocess.run(argv(*args), env=environment(tmp_path), capture_output=True, text=True, timeout=60)
    assert done.returncode == 64, done.stdout + done.stderr
    assert words in done.stderr
    assert not list(tmp_path.glob("sluice-demo-*"))


def test_tasks_that_do_not_start_fail_the_demo_with_their_words(tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in ("sluice", "sluice-localaws"):
        (broken / name).write_bytes((BIN / name).read_bytes())
        (broken / name).chmod(0o755)
    (broken / "sluice-worker").write_text("#!/bin/sh\necho the disk is full >&2\nexit 74\n")
    (broken / "sluice-worker").chmod(0o755)
    done = subprocess.run([broken / "sluice", *argv(*QUICK)[1:]], env=environment(tmp_path), capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == 1
    assert "tasks in a row did not start: (service order-processor-workers)" in done.stdout
    assert "the disk is full" in done.stdout
    assert programs_of(tmp_path) == []
