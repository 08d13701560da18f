"""What outlives a supervisor, and what it says of itself: state, orphans, lock, journal, sensor, admin socket."""
import contextlib
import fcntl
import json
import os
import pty
import resource
import shutil
import signal
import socket
import stat
import subprocess

import pytest

import harness
from harness import BIN, wait_until
from supervisor_harness import pid_alive, run_sluice, scripted, signalled_at_exit, world  # noqa: F401, a fixture


def test_desired_survives_kill_9_and_the_old_workers_drain_as_orphans(world):
    # The workers ignore TERM and the end of their channel, so that orphans can be seen; they are killed at the end.
    first = world.supervise(scripted("--ignore-term"), minimum=2, maximum=6)
    world.sqs.send(world.queue_url, ["x"] * 700)
    first.wait_ready(6)
    old = first.pids()
    with signalled_at_exit(old, signal.SIGKILL):
        first.kill()
        world.sqs.purge(world.queue_url)
        second = world.supervise(scripted(), name="second", minimum=2, maximum=6)
        fleet = second.wait_ready(6)
        assert second.messages("restored the saved state")[0]["desired"] == 6
        assert fleet["orphans"] == 6
        assert sorted(orphan["pid"] for orphan in second.status()["orphans"]) == sorted(old)
        # Their names are not used again while they live, and nobody signals them.
        assert not {worker["name"] for worker in fleet["workers"]} & {f"orders-{n}" for n in range(1, 7)}
        assert all(pid_alive(pid) for pid in old)
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        second.wait_fleet(lambda fleet: fleet["orphans"] == 0, "the orphans to be gone")
        assert second.stop() == 0


def test_workers_drain_by_themselves_when_the_supervisor_dies(world):
    supervisor = world.supervise(scripted(), minimum=3, maximum=3)
    supervisor.wait_ready(3)
    pids = supervisor.pids()
    supervisor.kill()
    wait_until(lambda: not any(map(pid_alive, pids)), what="the workers to leave")


def test_term_drains_the_fleet_keeps_desired_and_leaves_with_0(world):
    supervisor = world.supervise(scripted(), minimum=2, maximum=6)
    world.sqs.send(world.queue_url, ["x"] * 700)
    supervisor.wait_ready(6)
    pids = supervisor.pids()
    assert supervisor.stop() == 0
    assert not any(map(pid_alive, pids))
    assert json.loads((supervisor.state_dir / "orders.state.json").read_text())["desired"] == 6
    assert list((supervisor.state_dir / "workers").iterdir()) == []
    assert not supervisor.socket.exists()
    again = world.supervise(scripted(), name="again", minimum=2, maximum=6)
    assert again.fleet()["desired"] == 6
    assert again.stop() == 0


def test_a_restored_desired_is_clamped_to_the_limits_of_now(world):
    first = world.supervise(scripted(), minimum=2, maximum=6)
    world.sqs.send(world.queue_url, ["x"] * 700)
    first.wait_ready(6)
    assert first.stop() == 0
    world.sqs.purge(world.queue_url)
    second = world.supervise(scripted(), name="second", minimum=1, maximum=3)
    second.wait_ready(3)


@pytest.mark.parametrize("content", ["{", '{"v": 99, "controller": {}}', ""])
def test_a_state_file_of_no_use_is_kept_as_bad_and_said_loudly(world, content):
    state = world.folder / "state"
    state.mkdir()
    (state / "orders.state.json").write_text(content)
    supervisor = world.supervise(scripted(), minimum=2, maximum=6)
    fleet = supervisor.wait_ready(2)
    assert (state / "orders.state.json.bad").read_text() == content
    assert json.loads((state / "orders.state.json").read_text())["desired"] == 2
    said = supervisor.messages("the saved state is of no use, it is kept as .bad: starting at min, shrinks are held")
    assert len(said) == 1 and said[0]["level"] == "error" and "orders.state.json" in said[0]["error"]
    assert "orders.state.json" in fleet["state_file"]["restore_error"]
    supervisor.wait_fleet(lambda fleet: fleet["timers_ms"].get("shrink_hold", 0) > 0, "shrinks to be held")


def test_a_second_supervisor_on_the_same_state_leaves_with_75_and_names_the_first(world):
    first = world.supervise(scripted(), minimum=1, maximum=1)
    done = run_sluice("run", "--config", first.config_path, env=world.environment())
    assert done.returncode == 75
    assert f"another supervisor (pid {first.pid}) holds {first.state_dir}/lock" in done.stderr
    assert first.wait_ready(1)["restarts"] == 0


def test_a_live_admin_socket_is_not_taken_and_a_stale_one_is(world):
    first = world.supervise(scripted(), minimum=1, maximum=1)
    config = json.loads(first.config_path.read_text())
    config["state_dir"] = str(world.folder / "other")
    config["admin"] = {"socket": str(first.socket)}
    path = world.folder / "other.json"
    path.write_text(json.dumps(config))
    done = run_sluice("run", "--config", path, env=world.environment())
    assert done.returncode == 75 and "another supervisor answers on it" in done.stderr
    assert first.fleet()["ready"] <= 1  # still answers
    first.kill()
    assert stat.S_ISSOCK(os.lstat(first.socket).st_mode)
    second = world.supervise(scripted(), name="second", minimum=1, maximum=1)
    assert second.stop() == 0
    (second.state_dir / "admin.sock").write_text("mine")
    done = run_sluice("run", "--config", second.config_path, env=world.environment())
    assert done.returncode == 74 and "something that is no socket is there" in done.stderr
    assert (second.state_dir / "admin.sock").read_text() == "mine"


def test_modes_keep_others_out(world):
    supervisor = world.supervise(scripted(), minimum=1, maximum=1)
    supervisor.wait_ready(1)
    supervisor.wait_fleet(lambda fleet: fleet["journal"]["records"] > 0, "a journal record")
    assert stat.S_IMODE(os.stat(supervisor.state_dir).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(supervisor.socket).st_mode) == 0o660
    for name in ("orders.state.json", "orders.journal.jsonl", "workers/orders-1.json"):
        assert stat.S_IMODE(os.stat(supervisor.state_dir / name).st_mode) == 0o600


def test_the_journal_opens_with_the_configuration_and_has_every_decision(world):
    supervisor = world.supervise(scripted(), minimum=2, maximum=6)
    world.sqs.send(world.queue_url, ["x"] * 50)
    supervisor.wait_fleet(lambda fleet: fleet["changes"] >= 1 and fleet["decisions"] >= 20, "decisions")
    assert supervisor.stop() == 0
    records = supervisor.journal()
    assert records[0]["fleet"] == "orders"
    assert records[0]["config"]["capacity"] == {"min": 2, "target": 6, "max": 6}
    assert records[0]["config"]["policy"]["type"] == "threshold"
    decisions = records[1:]
    assert [record["seq"] for record in decisions] == list(range(1, len(decisions) + 1))
    assert all(record["v"] == 1 and record["policy"] == "threshold" for record in decisions)
    assert [later["from"] for later in decisions[1:]] == [earlier["to"] for earlier in decisions[:-1]]
    assert any(record["obs"]["visible"] and record["obs"]["visible"]["value"] == 50 for record in decisions)


def test_changes_alone_or_nothing_go_to_the_journal_when_so_configured(world):
    config = world.configuration(scripted(), minimum=1, maximum=3)
    config["fleets"][0]["journal"] = "changes"
    config["fleets"].append({**json.loads(json.dumps(config["fleets"][0])), "name": "quiet", "journal": "off"})
    path = world.folder / "two.json"
    path.write_text(json.dumps(config))
    process = harness.Process([BIN / "sluice", "run", "--config", path], world.folder, world.environment(), name="two")
    world.started.append(process)
    world.sqs.send(world.queue_url, ["x"] * 700)
    state = world.folder / "state"

    def two():
        done = run_sluice("status", "--config", path, "--json")
        fleets = json.loads(done.stdout)["fleets"] if done.returncode == 0 else []
        return fleets and all(fleet["desired"] == 3 and fleet["decisions"] > 10 for fleet in fleets)

    wait_until(two, what="both fleets to grow")
    assert process.stop() == 0
    records = [json.loads(line) for line in (state / "orders.journal.jsonl").read_text().splitlines()]
    assert "config" in records[0] and [(r["from"], r["to"]) for r in records[1:]] == [(1, 3)]
    assert not (state / "quiet.journal.jsonl").exists()


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 256 KiB; needs root."""
    place = tmp_path / "state"
    place.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "none", place],
                                           check=False, stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("cannot mount a tmpfs here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_never_stops_decisions(world, tiny_disk):
    supervisor = world.supervise(scripted(), minimum=2, maximum=6)
    supervisor.wait_ready(2)
    with open(tiny_disk / "filler", "wb", buffering=0) as filler:
        with contextlib.suppress(OSError):
            while True:
                filler.write(b"x" * 512)
        seen = supervisor.fleet()["decisions"]
        fleet = supervisor.wait_fleet(lambda fleet: fleet["journal"]["failures"] > 2 and fleet["decisions"] > seen + 10,
                                      "the journal to fail")
        assert "No space left on device" in fleet["journal"]["last_error"]
        world.sqs.send(world.queue_url, ["x"] * 700)
        supervisor.wait_ready(6)
        supervisor.wait_fleet(lambda fleet: fleet["state_file"]["failures"] > 0, "the state file to fail")
    assert len(supervisor.messages("cannot write the journal; decisions go on without it")) == 1
    (tiny_disk / "filler").unlink()
    good = supervisor.fleet()["journal"]["records"]
    supervisor.wait_fleet(lambda fleet: fleet["journal"]["records"] > good, "the journal to go on")
    assert supervisor.stop() == 0
    records = supervisor.journal()
    broken = [i for i, record in enumerate(records) if "config" in record]
    assert broken[0] == 0 and len(broken) >= 2
    assert json.loads((tiny_disk / "orders.state.json").read_text())["desired"] == 6


def test_a_queue_that_cannot_be_read_holds_the_fleet(world):
    supervisor = world.supervise(scripted(), minimum=2, maximum=6,
                                 policy={"scale_in_after": "2s", "cooldown": "1s", "fallback_after": "0s"})
    world.sqs.send(world.queue_url, ["x"] * 700)
    supervisor.wait_ready(6)
    world.server.faults("POST", [{"operation": "GetQueueAttributes", "kind": "error", "probability": 1,
                                  "code": "InternalError", "status": 500}])
    fleet = supervisor.wait_fleet(lambda fleet: fleet["queue"]["failing"], "the sensor to fail")
    world.sqs.purge(world.queue_url)
    seen = fleet["decisions"]
    fleet = supervisor.wait_fleet(lambda fleet: fleet["decisions"] >= seen + 40, "polls to go by", timeout_s=120)
    assert fleet["desired"] == 6 and fleet["ready"] == 6
    assert fleet["queue"]["errors"] >= 1 and "GetQueueAttributes" in fleet["queue"]["last_error"]
    assert fleet["last_decision"]["record"]["obs"]["visible"] is None
    assert fleet["last_decision"]["record"]["why"] == "visible_unknown"
    assert len(supervisor.messages("cannot read the queue; holding the fleet as it is")) == 1
    world.server.faults("DELETE")
    supervisor.wait_fleet(lambda fleet: fleet["desired"] == 2 and fleet["ready"] == 2, "the shrink to come at last")


def test_polls_are_on_time_while_a_reply_hangs(world):
    supervisor = world.supervise(scripted(), minimum=1, maximum=2)
    supervisor.wait_ready(1)
    world.server.faults("POST", [{"operation": "GetQueueAttributes", "kind": "hang", "probability": 1}])
    fleet = supervisor.wait_fleet(lambda fleet: fleet["queue"]["late"] >= 5, "late polls")
    polls = fleet["queue"]["polls"]
    later = supervisor.wait_fleet(lambda now: now["queue"]["late"] >= fleet["queue"]["late"] + 5, "more of them")
    # One request is under way, and decisions go on: with the last reading growing old, or none.
    assert later["queue"]["polls"] <= polls + 1
    assert later["decisions"] >= fleet["decisions"] + 5
    assert later["desired"] == 1


def test_a_queue_by_name_is_found_when_it_is_there(world):
    config = world.configuration(scripted(), minimum=1, maximum=1)
    config["fleets"][0]["queue"] = {"name": "later", "poll": "1s"}
    path = world.folder / "later.json"
    path.write_text(json.dumps(config))
    process = harness.Process([BIN / "sluice", "run", "--config", path], world.folder, world.environment(), name="later")
    world.started.append(process)

    def fleet():
        done = run_sluice("status", "--config", path, "--json")
        return json.loads(done.stdout)["fleets"][0] if done.returncode == 0 else None

    wait_until(lambda: fleet() and fleet()["queue"]["errors"] > 0, what="the queue to be missed")
    assert "GetQueueUrl: not found" in fleet()["queue"]["last_error"]
    assert fleet()["workers"] == []  # nobody is started who would not know where to look
    url = world.sqs.create("later")
    wait_until(lambda: fleet()["ready"] == 1, what="the worker")
    assert fleet()["queue"]["url"] == url
    assert process.stop() == 0


def test_status_speaks_plain_words(world):
    supervisor = world.supervise(scripted(), minimum=2, maximum=2)
    supervisor.wait_ready(2)
    supervisor.wait_fleet(lambda fleet: fleet["queue"]["visible"] == 0 and fleet["last_decision"], "a decision")
    done = run_sluice("status", "--config", supervisor.config_path)
    assert done.returncode == 0
    assert "fleet orders (threshold, 2..2)" in done.stdout
    assert "0 visible, 0 in flight, 0 delayed (read " in done.stdout
    assert "2 desired: 2 ready, 0 starting, 0 stopping, 0 backing off, 0 orphans" in done.stdout
    assert "decision hold at 2" in done.stdout


def test_status_of_nobody_is_69_and_of_an_unknown_path_404(world):
    done = run_sluice("status", "--socket", world.folder / "none.sock")
    assert done.returncode == 69
    assert done.stderr == f"sluice status: no supervisor answers on {world.folder}/none.sock: No such file or directory\n"
    supervisor = world.supervise(scripted(), minimum=1, maximum=1)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(supervisor.socket))
        client.sendall(b"GET /v1/nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 404")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(supervisor.socket))
        client.sendall(b"POST /v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        assert client.recv(4096).split(b" ")[1] in (b"501", b"405")


def test_a_second_interrupt_on_a_terminal_kills_what_still_drains(world):
    config = world.configuration(scripted("--ignore-term"), minimum=1, maximum=1, fleet={"stop_grace": "1h"})
    path = world.folder / "tty.json"
    path.write_text(json.dumps(config))
    ours, theirs = pty.openpty()
    process = subprocess.Popen([BIN / "sluice", "run", "--config", path], stdin=theirs, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, env=world.environment(), start_new_session=True)
    pids = []
    try:
        def fleet():
            done = run_sluice("status", "--config", path, "--json")
            return json.loads(done.stdout)["fleets"][0] if done.returncode == 0 else {"ready": 0, "stopping": 0}

        wait_until(lambda: fleet()["ready"] == 1, what="the worker")
        pids = [worker["pid"] for worker in fleet()["workers"]]
        process.send_signal(signal.SIGINT)
        wait_until(lambda: fleet()["stopping"] == 1, what="the drain")
        assert pid_alive(pids[0])
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert not pid_alive(pids[0])
    finally:
        for pid in pids:
            if pid_alive(pid):
                os.kill(pid, signal.SIGKILL)
        if process.poll() is None:
            process.kill()
            process.wait(10)
        os.close(ours)
        os.close(theirs)


def test_a_hup_is_said_to_do_nothing(world):
    supervisor = world.supervise(scripted(), minimum=1, maximum=1)
    supervisor.wait_ready(1)
    supervisor.signal(signal.SIGHUP)
    wait_until(lambda: supervisor.messages("HUP ignored: the configuration cannot be reloaded, restart to change it"),
               what="the warning")
    assert supervisor.wait_ready(1)["restarts"] == 0


def started(world, command, name, **popen):
    """A supervisor whose stderr the test arranges itself; returns it with a function that asks for its fleet."""
    config = world.configuration(command, minimum=2, maximum=4)
    path = world.folder / f"{name}.json"
    path.write_text(json.dumps(config))
    process = subprocess.Popen([BIN / "sluice", "run", "--config", path], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, env=world.environment(), **popen)

    def fleet():
        assert process.poll() is None
        done = run_sluice("status", "--config", path, "--json")
        return json.loads(done.stdout)["fleets"][0] if done.returncode == 0 else None

    return process, fleet


def test_a_stderr_that_nobody_reads_does_not_stop_the_supervisor(world):
    reading, writing = os.pipe()
    process, fleet = started(world, scripted("--flood", "3000"), "full", stderr=writing)
    os.close(writing)
    try:
        wait_until(lambda: (fleet() or {}).get("ready") == 2, what="two ready workers")
        seen = fleet()["decisions"]
        wait_until(lambda: fleet()["decisions"] > seen + 10, what="polls to go on")
        done = run_sluice("status", "--config", world.folder / "full.json", "--json")
        assert json.loads(done.stdout)["log_lines_dropped"] > 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(reading)


def test_a_closed_stderr_does_not_make_the_lock_our_log(world):
    process, fleet = started(world, scripted(), "closed", preexec_fn=lambda: os.close(2))
    try:
        wait_until(lambda: (fleet() or {}).get("ready") == 2, what="two ready workers")
        assert os.readlink(f"/proc/{process.pid}/fd/2") == "/dev/null"
        assert (world.folder / "state" / "lock").read_text() == f"{process.pid}\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def test_an_inherited_signal_mask_does_not_hide_deaths(world):
    def block():
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD, signal.SIGTERM])

    supervisor = world.supervise(scripted(), minimum=1, maximum=1, preexec_fn=block)
    supervisor.wait_ready(1)
    os.kill(supervisor.pids()[0], signal.SIGKILL)
    supervisor.wait_fleet(lambda fleet: fleet["restarts"] == 1 and fleet["ready"] == 1, "the restart")
    assert supervisor.stop() == 0


def test_a_deleted_state_folder_is_made_anew(world):
    supervisor = world.supervise(scripted(), minimum=2, maximum=2)
    supervisor.wait_ready(2)
    shutil.rmtree(supervisor.state_dir)
    wait_until(lambda: supervisor.messages("the state folder was deleted or replaced: made anew"), what="the news")
    supervisor.wait_fleet(lambda fleet: fleet["ready"] == 2, "status on a new socket")
    assert supervisor.status()["state_dir_losses"] == 1 and supervisor.status()["state_dir_error"] is None
    assert sorted(path.name for path in (supervisor.state_dir / "workers").iterdir()) == ["orders-1.json",
                                                                                           "orders-2.json"]
    assert json.loads((supervisor.state_dir / "orders.state.json").read_text())["desired"] == 2
    wait_until(lambda: (supervisor.state_dir / "orders.journal.jsonl").exists(), what="a journal")
    done = run_sluice("run", "--config", supervisor.config_path, env=world.environment())
    assert done.returncode == 75
    assert supervisor.fleet()["restarts"] == 0
    assert supervisor.stop() == 0


def test_who_finds_the_state_folder_taken_drains_and_leaves_it_alone(world):
    first = world.supervise(scripted(), minimum=1, maximum=1)
    first.wait_ready(1)
    # What a successor would do who found the folder gone, in one step: ours is moved away, another is there and locked.
    made = world.folder / "made"
    (made / "workers").mkdir(parents=True)
    (made / "workers" / "orders-1.json").write_text("{}")
    (made / "orders.state.json").write_text("mine")
    with open(made / "lock", "w+") as lock:
        lock.write("4711\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        first.state_dir.rename(world.folder / "away")
        made.rename(first.state_dir)
        assert first.popen.wait(60) == 75
        assert "another supervisor (pid 4711) holds" in first.stderr()
    assert (first.state_dir / "orders.state.json").read_text() == "mine"
    assert (first.state_dir / "workers" / "orders-1.json").read_text() == "{}"
    assert not (first.state_dir / "orders.journal.jsonl").exists()


def test_a_flood_of_connections_leaves_files_and_time_to_the_fleets(world):
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (80, 80))

    supervisor = world.supervise(scripted(), minimum=2, maximum=2, preexec_fn=limit)
    supervisor.wait_ready(2)
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.settimeout(5)
            with contextlib.suppress(BlockingIOError, TimeoutError):
                client.connect(str(supervisor.socket))
        seen = len(supervisor.journal())
        wait_until(lambda: len(supervisor.journal()) > seen + 20, what="polls to go on")
        assert len(os.listdir(f"/proc/{supervisor.pid}/fd")) < 64
        # A starved worker could not be started again.
        os.kill(json.loads((supervisor.state_dir / "workers" / "orders-1.json").read_text())["pid"], signal.SIGKILL)
        wait_until(lambda: supervisor.messages("worker ended, it will be started again"), what="the death to be seen")
    fleet = supervisor.wait_fleet(lambda fleet: fleet["ready"] == 2 and fleet["restarts"] == 1, "the restart")
    assert fleet["queue"]["errors"] == 0
    assert len(supervisor.messages("files run short: connections are taken once a second")) >= 1
    assert len(supervisor.messages("event library")) == 0
    assert supervisor.stop() == 0


def test_workers_that_die_all_at_once_are_not_taken_for_idle(world):
    stats = world.folder / "stats.json"
    stats.write_text(json.dumps({"*": {"busy": 5, "held": 5}}))
    supervisor = world.supervise(scripted("--stats-file", stats), minimum=1, maximum=4,
                                 policy={"scale_in_after": "5s", "cooldown": "1s"},
                                 fleet={"restart_min": "1m"})
    world.sqs.send(world.queue_url, ["x"] * 700)
    supervisor.wait_ready(4)
    world.sqs.purge(world.queue_url)
    supervisor.wait_fleet(lambda fleet: fleet["last_decision"]["record"]["why"] == "busy", "the busy floor to hold it")
    for pid in supervisor.pids():
        os.kill(pid, signal.SIGKILL)
    fleet = supervisor.wait_fleet(lambda fleet: fleet["ready"] == 0, "their deaths to be seen")
    supervisor.wait_fleet(lambda later: later["decisions"] >= fleet["decisions"] + 5, "decisions on that")
    blind = [record for record in supervisor.journal() if "obs" in record and record["obs"]["ready"]["value"] == 0]
    assert len(blind) >= 5
    assert all(record["obs"]["busy"] is None for record in blind)
