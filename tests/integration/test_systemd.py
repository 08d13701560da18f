"""The systemd units: systemd's own judgement of them, what the shipped configurations need of them, and their way to stop a
supervisor. Nothing is started by systemd here: it is not process 1 everywhere.
"""
import contextlib
import json
import os
import pathlib
import re
import signal
import stat
import subprocess

import pytest

import harness
from harness import BIN, wait_until
from supervisor_harness import pid_alive, run_sluice, world, write_configuration  # noqa: F401, a fixture
from test_supervisor_worker import ORDERS, ledger, order, sale

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNITS = ROOT / "deploy" / "systemd"
SERVICES = ["sluice.service", "sluice-local.service"]
SOCKETS = ["sluice.socket", "sluice-local.socket"]

# The worst exposure that systemd-analyze may find, in tenths.
EXPOSURE_MAX = 20


def unit_text(name):
    """A unit as cmake --install writes it, but for the folder of the programs."""
    return (UNITS / f"{name}.in").read_text().replace("@BINDIR@", str(BIN)).replace("@SYSCONFDIR@", "/etc")


def setting(name, key):
    """All values of a key, in order."""
    return re.findall(rf"^{key}=(.*)$", unit_text(name), re.MULTILINE)


@pytest.fixture
def units(tmp_path):
    for name in SERVICES:
        (tmp_path / name).write_text(unit_text(name))
    for name in SOCKETS:
        (tmp_path / name).write_text((UNITS / name).read_text())
    return tmp_path


def analyze(*arguments, cwd):
    return subprocess.run(["systemd-analyze", *arguments], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=120, check=False)


@pytest.mark.parametrize("name", SERVICES + SOCKETS)
def test_systemd_finds_nothing_wrong(units, name):
    done = analyze("verify", "--man=no", f"./{name}", cwd=units)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", SERVICES + SOCKETS)
def test_systemd_would_find_what_is_wrong(units, name):
    """It ends with 0 all the same: what it writes is its answer."""
    wrong = units / name
    wrong.write_text(wrong.read_text() + "LockPersonalty=yes\n")
    assert "LockPersonalty" in analyze("verify", "--man=no", f"./{name}", cwd=units).stderr


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_its_socket_and_nobody_else_starts_it(name):
    """A question alone shall neither start a supervisor nor one that was stopped."""
    socket = (UNITS / name.replace(".service", ".socket")).read_text()
    assert setting(name, "Wants") == [f"network-online.target {name.replace('.service', '.socket')}"]
    assert f"PartOf={name}\n" in socket and "[Install]" not in socket and "Service=" not in socket
    assert re.findall(r"^(?:Listen\w+|Socket\w+)=.*$", socket, re.MULTILINE) == [
        "ListenStream=/run/sluice.sock", "SocketUser=sluice", "SocketGroup=sluice", "SocketMode=0660"]


@pytest.mark.parametrize("name", SERVICES)
def test_exposure_is_low(units, name):
    done = analyze("security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE_MAX}", f"./{name}", cwd=units)
    assert done.returncode == 0, done.stdout[-400:] + done.stderr


def test_relaxations_of_the_local_unit_are_told():
    """What the strict unit has and the other has not stands there as a comment, with its reason."""
    def settings(name):
        return set(re.findall(r"^([A-Z]\w+=.*)$", unit_text(name).split("LimitCORE=0", 1)[1], re.MULTILINE))

    told = set(re.findall(r"^#   ([A-Z]\w+=\S+) {2,}\S", unit_text("sluice-local.service"), re.MULTILINE))
    missing = settings("sluice.service") - settings("sluice-local.service")
    missing -= {value for value in missing if value.startswith(("RestrictAddressFamilies=", "TasksMax="))}
    missing = {value.replace("~@privileged @resources", "~@resources") for value in missing}
    assert missing and missing <= told


@pytest.mark.parametrize("path", sorted((ROOT / "deploy" / "examples").glob("*.json")), ids=lambda path: path.name)
def test_examples_fit_the_unit_for_them(path):
    fleets = [fleet for fleet in json.loads(path.read_text())["fleets"] if fleet["fleet"].get("type", "local") == "local"]
    threads = sum(fleet["capacity"]["max"] * (int(fleet["fleet"].get("env", {}).get("NUM_WORKERS", 100)) + 8) for fleet in fleets)
    graces = [fleet["fleet"].get("stop_grace", "30s") for fleet in fleets]
    unit = "sluice-local.service" if fleets else "sluice.service"
    assert int(setting(unit, "TasksMax")[0]) >= threads
    seconds = {"s": 1, "m": 60, "h": 3600}
    assert all(int(setting(unit, "TimeoutStopSec")[0]) > int(grace[:-1]) * seconds[grace[-1]] for grace in graces)
    assert setting(unit, "KillMode") == ["mixed"]


def test_empty_credentials_file_leaves_it_to_the_sources_after_it(tmp_path):
    """LoadCredential without a file falls back to SetCredential: a file with one character."""
    content = setting("sluice.service", "SetCredential")[0].split(":", 1)[1]
    (tmp_path / "aws-credentials").write_text(content)
    env = harness.environment(AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None,
                              AWS_SHARED_CREDENTIALS_FILE=tmp_path / "aws-credentials")
    said = run_sluice("doctor", env=env).stdout
    passed_over = ["profile default: in neither the config nor the credentials file", "web identity:", "container:", "instance:"]
    assert all(words in said for words in passed_over), said


def environment_of(pid):
    return dict(entry.split("=", 1) for entry in pathlib.Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in entry)


def test_supervisor_answers_on_the_socket_that_systemd_made(world):  # noqa: F811
    """By systemd's own means: the first question starts it and waits for its answer."""
    passed = world.folder / "passed.sock"
    config = world.configuration([BIN / "sluice-worker", "--handler", "noop"], minimum=1, maximum=2, fleet={"env": {"NUM_WORKERS": "2"}})
    variables = [word for name, value in world.environment().items() for word in ("-E", f"{name}={value}")]
    path = write_configuration(world.folder, config)
    activator = harness.Process(["systemd-socket-activate", "-l", passed, "--fdname=admin", *variables, BIN / "sluice", "run", "--config", path],
                                world.folder, world.environment(), name="activated")
    try:
        wait_until(lambda: "Listening on" in activator.stderr(), what="the socket")
        assert not (world.folder / "state").exists()
        inode = passed.stat().st_ino
        done = run_sluice("status", "--socket", passed, "--json", env=world.environment())
        assert done.returncode == 0, done.stderr + activator.stderr()
        # The same supervisor on both.
        ours = wait_until(lambda: fleet_of(world, world.folder / "state" / "admin.sock"), what="its own socket")
        (worker,) = wait_until(lambda: [w for w in fleet_of(world, passed)["workers"] if w["pid"]], what="a worker")
        assert ours["name"] == "orders" and activator.pid != worker["pid"]
        assert not {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} & set(environment_of(worker["pid"]))
        inodes = {os.readlink(link) for link in pathlib.Path(f"/proc/{worker['pid']}/fd").iterdir()}
        assert not inodes & {os.readlink(f"/proc/{activator.pid}/fd/3")}
        assert activator.stop() == 0
        # Whoever made it takes it away.
        assert stat.S_ISSOCK(passed.stat().st_mode) and passed.stat().st_ino == inode
        assert not (world.folder / "state" / "admin.sock").exists()
    finally:
        activator.kill()


def fleet_of(world, socket):  # noqa: F811
    done = run_sluice("status", "--socket", socket, "--json", env=world.environment())
    return json.loads(done.stdout)["fleets"][0] if done.returncode == 0 else None


def test_supervisor_refuses_what_is_no_socket_of_that_kind(world):  # noqa: F811
    path = write_configuration(world.folder, world.configuration(["true"]))
    done = subprocess.run(["sh", "-c", 'exec 3</dev/null; LISTEN_PID=$$ LISTEN_FDS=1; export LISTEN_PID LISTEN_FDS; exec "$@"', "sh",
                           BIN / "sluice", "run", "--config", path],
                          env=world.environment(), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 78 and "LISTEN_FDS: descriptor 3: want a unix stream socket that listens" in done.stderr, done


@pytest.mark.parametrize("first", ["supervisor", "workers"])
def test_term_to_all_processes_at_once_drains_the_fleet(world, first):  # noqa: F811
    """What a stop without KillMode=mixed does, or a shutdown of the host: TERM to the supervisor, the workers and whoever is in
    their groups, before anybody can act on another one's. Nobody has to be killed, and no message is lost or hidden."""
    orders = 4 * ORDERS
    world.sqs.send(world.queue_url, (order(n) for n in range(ORDERS, orders)))
    supervisor, ledger_path, _, _ = sale(world, minimum=3)
    fleet = supervisor.wait_fleet(lambda fleet: sum(w.get("busy") or 0 for w in fleet["workers"]) >= 6, "payments")
    groups = [worker["pid"] for worker in fleet["workers"] if worker["pid"]]
    assert len(groups) >= 3
    supervisor.signal(signal.SIGSTOP)
    if first == "supervisor":
        supervisor.signal(signal.SIGTERM)
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGTERM)
    if first == "workers":
        wait_until(lambda: not any(pid_alive(pid) for pid in groups), timeout_s=120, what="the workers to drain alone")
        supervisor.signal(signal.SIGTERM)
    supervisor.signal(signal.SIGCONT)
    assert supervisor.wait(120) == 0, supervisor.stderr()[-4000:]
    assert not any(pid_alive(pid) for pid in groups)
    assert not [change for change in supervisor.messages("worker state") if change["to"] == "killing"]
    # What was paid was deleted; what was not is back in the queue, visible at once.
    rows = [row[0] for row in ledger(ledger_path)]
    assert rows and len(rows) == len(set(rows))
    assert world.sqs.counts(world.queue_url) == (orders - len(rows), 0)
