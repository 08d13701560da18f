"""The supervisor's local fleet from outside: scaling, deaths, loops, hangs, stops. Scripted workers, a real endpoint."""
import errno
import json
import os
import pathlib
import re
import resource
import signal
import sys

import pytest

import harness
from harness import wait_until
from supervisor_harness import (SPEED, Supervisor, configuration, pid_alive, run_sluice, scripted, signalled_at_exit,
                                world)  # noqa: F401, world is a fixture


def test_depth_above_the_line_starts_workers_and_each_gets_its_environment(world):
    dump = world.folder / "dump"
    supervisor = world.supervise(scripted("--dump", dump), minimum=2, maximum=6, fleet={"env": {"NUM_WORKERS": "7"}})
    supervisor.wait_ready(2)
    world.sqs.send(world.queue_url, ["x"] * 700)
    fleet = supervisor.wait_ready(6)
    assert sorted(worker["name"] for worker in fleet["workers"]) == [f"orders-{n}" for n in range(1, 7)]
    assert all(worker["start_ready_ms"] > 0 for worker in fleet["workers"])
    # The messages come in many calls, so that a poll may see a part of them: one change or a chain.
    changes = [(line["from"], line["to"]) for line in supervisor.messages("decision")]
    assert changes[0][0] == 2 and changes[-1][1] == 6
    assert all(earlier[1] == later[0] and later[0] < later[1] for earlier, later in zip(changes, changes[1:]))
    for line in dump.read_text().splitlines():
        name, _, values = line.partition(" ")
        env = json.loads(values)
        assert env["SLUICE_WORKER_NAME"] == name
        assert env["SQS_QUEUE_URL"] == world.queue_url
        assert env["NUM_WORKERS"] == "7"
        assert env["SLUICE_STOP_GRACE"] == "30s"
        assert env["SLUICE_TELEMETRY_FD"] == "3"
        assert env["AWS_REGION"] == harness.REGION
        assert env["SLUICE_TIME_SCALE"].startswith(f"{SPEED}@")


def test_a_quiet_queue_lets_the_least_busy_workers_go(world):
    stats = world.folder / "stats.json"
    busy = {"*": {"busy": 1, "held": 1}, "orders-2": {"busy": 0, "held": 0}, "orders-5": {"busy": 0, "held": 0}}
    stats.write_text(json.dumps(busy))
    supervisor = world.supervise(
        scripted("--stats-file", stats), minimum=2, maximum=6,
        policy={"scale_in_after": "3s", "cooldown": "1s", "scale_in_busy_share": 1},
    )
    world.sqs.send(world.queue_url, ["x"] * 700)
    supervisor.wait_ready(6)
    world.sqs.purge(world.queue_url)
    # The first shrink takes floor((6 - 2) / 2) = 2 workers: the two that hold nothing.
    changed = wait_until(lambda: [line for line in supervisor.messages("worker state") if line["to"] == "stopping"],
                         what="a shrink")
    supervisor.wait_fleet(lambda fleet: fleet["desired"] == 2 and fleet["ready"] == 2 and not fleet["stopping"],
                          "the fleet at min")
    changed = [line for line in supervisor.messages("worker state") if line["to"] == "stopping"]
    assert {line["worker"] for line in changed[:2]} == {"orders-2", "orders-5"}
    # Among equals the newest go next, and nobody is told twice.
    assert [line["worker"] for line in changed[2:]] == ["orders-6", "orders-4"]
    assert supervisor.journal()[-1]["to"] == 2


def test_a_killed_worker_is_restarted_in_its_slot(world):
    supervisor = world.supervise(scripted())
    supervisor.wait_ready(2)
    victim = next(worker for worker in supervisor.fleet()["workers"] if worker["name"] == "orders-1")
    os.kill(victim["pid"], signal.SIGKILL)

    def again(fleet):
        worker = next(w for w in fleet["workers"] if w["name"] == "orders-1")
        return worker["state"] == "ready" and worker["pid"] != victim["pid"] and worker

    supervisor.wait_fleet(again, "the worker to come back")
    worker = again(supervisor.fleet())
    assert worker["restarts"] == 1
    assert worker["last_exit"] == "signal 9 (Killed)"
    ended = supervisor.messages("worker ended, it will be started again")
    assert len(ended) == 1 and ended[0]["cause"] == "crashed" and 1000 <= ended[0]["wait_ms"] <= 2000


def test_a_crash_loop_backs_off_and_is_no_capacity(world):
    supervisor = world.supervise(scripted("--exit", 3), minimum=2, maximum=2)
    fleet = supervisor.wait_fleet(lambda fleet: fleet["crash_looping"] == 2, "the crash loop to be seen")
    assert fleet["desired"] == 2
    assert fleet["ready"] == 0 and fleet["starting"] == 0 and fleet["backoff"] == 2
    assert all(worker["last_exit"] == "exit 3" for worker in fleet["workers"])
    waits = [line["wait_ms"] for line in supervisor.messages("worker ended, it will be started again")
             if line["worker"] == "orders-1"]
    for i, wait in enumerate(waits):
        ceiling = min(60_000, 1000 * 2 ** (i + 1))
        assert ceiling / 2 <= wait <= ceiling


def test_a_misconfigured_worker_waits_the_longest_at_once(world):
    supervisor = world.supervise(scripted("--exit", 78), minimum=1, maximum=1)
    fleet = supervisor.wait_fleet(lambda fleet: fleet["backoff"] == 1, "the worker to wait")
    ended = supervisor.messages("worker ended, it will be started again")
    assert [(line["cause"], line["wait_ms"]) for line in ended] == [("misconfigured", 60000)]
    assert fleet["workers"][0]["last_exit"] == "exit 78"


def test_a_worker_that_leaves_by_itself_is_replaced(world):
    leave = world.folder / "leave"
    supervisor = world.supervise(scripted("--exit-file", leave), minimum=1, maximum=1)
    supervisor.wait_ready(1)
    first = supervisor.pids()
    leave.write_text("0")
    wait_until(lambda: supervisor.messages("worker ended, it will be started again"), what="the worker to leave")
    leave.unlink()
    supervisor.wait_fleet(lambda fleet: fleet["ready"] == 1 and fleet["workers"][0]["pid"] not in first, "a new one")
    assert supervisor.messages("worker ended, it will be started again")[0]["cause"] == "left"


def test_a_command_that_is_not_there_is_tried_again_and_reported(world):
    supervisor = world.supervise(["/nonexistent/worker"], minimum=1, maximum=1)
    fleet = supervisor.wait_fleet(lambda fleet: fleet["backoff"] == 1, "the failed start")
    assert "/nonexistent/worker" in fleet["workers"][0]["last_exit"]
    assert "No such file" in fleet["workers"][0]["last_exit"]


def test_a_stopped_worker_is_hung_and_is_replaced(world):
    supervisor = world.supervise(scripted(), minimum=2, maximum=2)
    supervisor.wait_ready(2)
    victim = supervisor.fleet()["workers"][0]
    os.kill(victim["pid"], signal.SIGSTOP)
    fleet = supervisor.wait_fleet(lambda fleet: fleet["ready"] == 2 and victim["pid"] not in
                                  [worker["pid"] for worker in fleet["workers"]], "the hung worker to be replaced")
    replaced = next(worker for worker in fleet["workers"] if worker["name"] == victim["name"])
    assert replaced["last_exit"] == "signal 9 (Killed), hung: no telemetry"
    assert not pid_alive(victim["pid"])
    # The other one was left alone.
    assert [worker["restarts"] for worker in fleet["workers"] if worker["name"] != victim["name"]] == [0]


def test_a_ready_worker_that_falls_silent_is_hung_but_one_that_babbles_is_not(world):
    config = world.configuration(scripted("--mute"), minimum=1, maximum=1, fleet={"hung_after": "3s"})
    babbler = json.loads(json.dumps(config["fleets"][0]))
    babbler["name"] = "babbler"
    babbler["fleet"]["command"] = scripted("--babble")
    config["fleets"].append(babbler)
    supervisor = Supervisor(world.folder, config, world.environment())
    world.started.append(supervisor)
    supervisor.wait_fleet(lambda fleet: fleet["restarts"] >= 1, "the silent one to be replaced")
    fleet = supervisor.fleet("babbler")
    assert fleet["ready"] == 1 and fleet["restarts"] == 0
    assert fleet["totals"]["bad_telemetry_lines"] > 10


def test_a_worker_that_says_nothing_in_time_is_replaced(world):
    supervisor = world.supervise(scripted("--never-ready"), minimum=1, maximum=1, fleet={"start_grace": "10s"})
    fleet = supervisor.wait_fleet(lambda fleet: fleet["workers"] and fleet["workers"][0]["last_exit"], "its end")
    assert fleet["workers"][0]["last_exit"] == "signal 9 (Killed), not ready in time"
    assert fleet["ready"] == 0


def test_a_worker_without_telemetry_is_ready_after_start_grace_and_never_hung(world):
    supervisor = world.supervise(scripted("--mute"), minimum=1, maximum=1,
                                 fleet={"telemetry": "none", "start_grace": "10s", "hung_after": "3s"})
    supervisor.wait_ready(1)
    # Seven seconds of real time, beyond hung_after and its floor.
    seen = supervisor.fleet()["decisions"]
    supervisor.wait_fleet(lambda fleet: fleet["decisions"] >= seen + 70, "polls to go by")
    fleet = supervisor.fleet()
    assert fleet["ready"] == 1 and fleet["restarts"] == 0
    assert fleet["last_decision"]["record"]["obs"]["busy"] is None


def test_a_worker_that_ignores_term_is_killed_with_its_children_after_its_grace(world):
    child_file = world.folder / "children"
    supervisor = world.supervise(scripted("--ignore-term", "--child", child_file), minimum=1, maximum=1,
                                 fleet={"stop_grace": "20s"})
    supervisor.wait_ready(1)
    worker = supervisor.pids()[0]
    child = int(child_file.read_text())
    assert os.getpgid(child) == worker
    with signalled_at_exit([child], signal.SIGKILL):
        assert supervisor.stop() == 0
        changes = [(line["from"], line["to"]) for line in supervisor.messages("worker state")]
        assert changes[-3:] == [("ready", "stopping"), ("stopping", "killing"), ("killing", "gone")]
        wait_until(lambda: not pid_alive(worker) and not pid_alive(child), what="the group to die")


def test_children_that_a_crashed_worker_leaves_end_with_it(world):
    child_file = world.folder / "children"
    supervisor = world.supervise(scripted("--child", child_file), minimum=1, maximum=1)
    supervisor.wait_ready(1)
    child = int(child_file.read_text().split()[0])
    with signalled_at_exit([child], signal.SIGKILL):
        os.kill(supervisor.pids()[0], signal.SIGKILL)
        wait_until(lambda: not pid_alive(child), what="the child to be killed")
        supervisor.wait_fleet(lambda fleet: fleet["restarts"] == 1 and fleet["ready"] == 1, "the restart")


def test_new_workers_start_while_victims_still_drain(world):
    supervisor = world.supervise(scripted("--ignore-term"), minimum=2, maximum=6, fleet={"stop_grace": "10m"},
                                 policy={"scale_in_after": "2s", "cooldown": "1s"})
    world.sqs.send(world.queue_url, ["x"] * 700)
    supervisor.wait_ready(6)
    everybody = supervisor.pids()
    with signalled_at_exit(everybody, signal.SIGKILL):
        world.sqs.purge(world.queue_url)
        supervisor.wait_fleet(lambda fleet: fleet["desired"] == 2 and fleet["stopping"] == 4, "four to drain")
        world.sqs.send(world.queue_url, ["x"] * 700)
        fleet = supervisor.wait_fleet(lambda fleet: fleet["ready"] == 6 and fleet["stopping"] == 4, "new ones beside them")
        assert fleet["desired"] == 6
        names = [worker["name"] for worker in fleet["workers"]]
        assert len(names) == len(set(names)) == 10
        for pid in supervisor.pids():
            os.kill(pid, signal.SIGKILL)
        supervisor.kill()


def test_worker_output_is_in_the_log_with_its_name(world):
    supervisor = world.supervise(
        scripted("--print", '{"time":"x","level":"error","program":"w","message":"paid","order":7,"nested":{"a":[1]}}',
                 "--print", "plain words", "--print-error", "y" * 5000, "--print", '{"no": "message"}'),
        minimum=1, maximum=1)
    supervisor.wait_ready(1)
    lines = [line for line in supervisor.logs() if line.get("worker") == "orders-1"]
    paid = next(line for line in lines if line["message"] == "paid")
    assert paid["level"] == "error" and paid["order"] == 7 and paid["nested"] == '{"a":[1]}'
    assert paid["program"] == "sluice" and paid["time"] != "x"
    words = next(line for line in lines if line["message"] == "plain words")
    assert words["stream"] == "stdout"
    cut = next(line for line in lines if line["message"].startswith("yyy"))
    assert cut["cut"] is True and len(cut["message"]) == 3500 and cut["stream"] == "stderr"
    assert any(line["message"] == '{"no": "message"}' for line in lines)
    assert supervisor.fleet()["totals"]["cut_log_lines"] == 1


def test_a_flood_of_lines_is_bounded_and_the_worker_is_not_held_up(world):
    supervisor = world.supervise(scripted("--flood", 200_000), minimum=1, maximum=1, fleet={"log_lines_per_s": 50})
    fleet = supervisor.wait_ready(1)
    written = sum(line["message"].startswith("flood line") for line in supervisor.logs())
    assert fleet["totals"]["dropped_log_lines"] + written == 200_000
    assert written < 100_000


@pytest.mark.parametrize("log", ["inherit", "discard"])
def test_worker_output_can_be_left_alone_or_thrown_away(world, log):
    supervisor = world.supervise(scripted("--print", "hello from a worker"), minimum=1, maximum=1, fleet={"log": log})
    supervisor.wait_ready(1)
    assert ("hello from a worker" in supervisor.stdout()) == (log == "inherit")
    assert "hello from a worker" not in supervisor.stderr()


def test_counters_of_dead_workers_stay_in_the_sums(world):
    stats = world.folder / "stats.json"
    stats.write_text(json.dumps({"*": {"completed": 10, "handle_ms_sum": 1000}}))
    supervisor = world.supervise(scripted("--stats-file", stats), minimum=2, maximum=2)
    supervisor.wait_fleet(lambda fleet: fleet["totals"]["completed"] == 20, "the first sums")
    for pid in supervisor.pids():
        os.kill(pid, signal.SIGKILL)
    fleet = supervisor.wait_fleet(lambda fleet: fleet["totals"]["completed"] == 40, "the sums to go on")
    assert fleet["totals"]["handle_ms_sum"] == 4000
    values = [record["obs"]["completed_total"]["value"] for record in supervisor.journal() if "obs" in record]
    assert values == sorted(values)


def test_strangers_are_reaped_as_process_1_must(world):
    """A grandchild whose parent died comes to the supervisor only when that is a subreaper: started through one."""
    prctl = ("import ctypes, os, sys; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])")
    wrapper = world.folder / "worker"
    # The worker starts a child in a session of its own, which ends after its parent has.
    wrapper.write_text(
        "#!/bin/sh\n[ -e %s ] || { touch %s; setsid sh -c 'sleep 0.3' & }\nexec \"$@\"\n"
        % (world.folder / "once", world.folder / "once"))
    wrapper.chmod(0o755)
    config = configuration(world.folder, world.queue_url, [wrapper, *scripted("--exit", 3)], endpoint=world.server.url,
                           minimum=1, maximum=1)
    path = pathlib.Path(world.folder) / "subreaper.json"
    path.write_text(json.dumps(config))
    process = harness.Process([sys.executable, "-c", prctl, harness.BIN / "sluice", "run", "--config", path],
                              world.folder, world.environment(), name="subreaper")
    try:
        socket = pathlib.Path(config["state_dir"]) / "admin.sock"

        def reaped():
            done = run_sluice("status", "--socket", socket, "--json")
            return done.returncode == 0 and json.loads(done.stdout)["strangers_reaped"] >= 1

        wait_until(reaped, what="the stranger to be reaped")
    finally:
        process.stop()


def test_when_files_run_short_workers_wait_and_the_supervisor_goes_on(world):
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    supervisor = world.supervise(scripted(), minimum=2, maximum=8, preexec_fn=limit)
    supervisor.wait_ready(2)
    world.sqs.send(world.queue_url, ["x"] * 700)
    fleet = supervisor.wait_fleet(lambda fleet: fleet["desired"] == 8 and fleet["backoff"] > 0, "starts to fail")
    short = [worker for worker in fleet["workers"] if worker["state"] == "backoff"]
    assert all(re.search(harness.says(errno.EMFILE), worker["last_exit"]) for worker in short)
    seen = fleet["decisions"]
    fleet = supervisor.wait_fleet(lambda fleet: fleet["decisions"] >= seen + 10, "polls to go on")
    assert fleet["queue"]["errors"] == 0 and fleet["ready"] >= 2
    assert supervisor.stop() == 0


def test_a_drained_worker_says_bye(world):
    supervisor = world.supervise(scripted(), minimum=1, maximum=1)
    supervisor.wait_ready(1)
    assert supervisor.stop() == 0
    left = supervisor.messages("worker has left")
    assert [(line["worker"], line["exit"], line["bye"]) for line in left] == [("orders-1", "exit 0", "drained")]
