"""sluice check, and what sluice run refuses: exit codes and words."""
import json
import os
import resource
import shutil
import subprocess

import pytest

import harness
from harness import BIN
from supervisor_harness import configuration, run_sluice, scripted, world, write_configuration  # noqa: F401, a fixture

URL = "http://127.0.0.1:1/123456789012/orders"


def offline(folder, config, *arguments, env=None, **popen):
    path = write_configuration(folder, config)
    return run_sluice("check", "--config", path, "--offline", *arguments, env=env, **popen)


def warnings_of(done):
    assert done.returncode == 0, done.stderr
    return {warning["code"]: warning["text"] for warning in json.loads(done.stdout)["warnings"]}


def test_a_good_file_is_told_back(tmp_path):
    done = offline(tmp_path, configuration(tmp_path, URL, scripted()))
    assert done.returncode == 0 and done.stderr == ""
    assert "fleet.json is valid: 1 fleet" in done.stdout
    assert f"queue    {URL}, read every 1.0 s" in done.stdout
    assert "2 to 6 processes of this host" in done.stdout
    assert "MiB a day, at most 256 MiB are kept" in done.stdout


def test_json_tells_every_setting_but_no_value_of_the_environment(tmp_path):
    config = configuration(tmp_path, URL, scripted(), fleet={"env": {"TOKEN": "hush-hush"}})
    done = offline(tmp_path, config, "--json")
    assert "hush-hush" not in done.stdout
    told = json.loads(done.stdout)
    assert told["valid"] is True
    fleet = told["config"]["fleets"][0]
    assert fleet["fleet"]["env_names"] == ["TOKEN"]
    assert fleet["fleet"]["stop_grace"] == "30s"
    assert fleet["controller"]["policy"]["type"] == "threshold"
    assert told["journal_bytes_a_day"]["orders"] > 10_000_000


BAD = {
    "syntax": ("{", "1:1: "),
    "unknown key": ({"colour": "blue"}, "colour: unknown key"),
    "type": ({"state_dir": 7}, "state_dir: 7: want text"),
}


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("case", sorted(BAD))
def test_a_bad_file_is_78_with_file_key_and_value(tmp_path, command, case):
    change, words = BAD[case]
    path = tmp_path / "fleet.json"
    if isinstance(change, str):
        path.write_text(change)
    else:
        path.write_text(json.dumps({**configuration(tmp_path, URL, scripted()), **change}))
    done = run_sluice(command, "--config", path)
    assert done.returncode == 78
    assert done.stderr.startswith(f"sluice {command}: {path}:") and words in done.stderr
    assert not (tmp_path / "state").exists()


def test_an_unknown_type_of_fleet_is_refused_with_the_types_there_are(tmp_path):
    config = configuration(tmp_path, URL, scripted())
    config["fleets"][0]["fleet"] = {"type": "eks", "cluster": "flash-sale", "service": "workers"}
    done = offline(tmp_path, config, "--json")
    assert done.returncode == 78
    assert done.stderr.endswith('fleets[0].fleet.type: "eks": want one of local, ecs\n')
    assert json.loads(done.stdout) == {
        "valid": False, "file": str(tmp_path / "fleet.json"),
        "error": f'{tmp_path}/fleet.json: fleets[0].fleet.type: "eks": want one of local, ecs'}


@pytest.mark.parametrize("command", ["check", "run"])
def test_scaled_time_is_refused_on_a_real_endpoint(tmp_path, command):
    config = configuration(tmp_path, "https://sqs.us-east-1.amazonaws.com/123456789012/orders", scripted())
    path = write_configuration(tmp_path, config)
    done = run_sluice(command, "--config", path, env=harness.environment(speed=2))
    assert done.returncode == 78
    assert "SLUICE_TIME_SCALE: refused for fleet orders: its endpoint https://sqs.us-east-1.amazonaws.com" in done.stderr
    assert "is not on loopback" in done.stderr
    # At the world's own speed the same file is fine.
    assert run_sluice("check", "--offline", "--config", path).returncode == 0


@pytest.mark.parametrize("setting", ["0@1", "21@1", "fast", "2"])
def test_a_bad_time_scale_is_refused(tmp_path, setting):
    done = run_sluice("check", "--offline", "--config", write_configuration(tmp_path, configuration(tmp_path, URL, ["x"])),
                      env=harness.environment(SLUICE_TIME_SCALE=setting))
    assert done.returncode == 78 and "SLUICE_TIME_SCALE" in done.stderr


def test_a_command_that_cannot_be_executed_is_a_warning(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("no program")
    for command, words in (("/nonexistent/worker", "command /nonexistent/worker: No such file or directory"),
                           ("no-such-worker", "command no-such-worker: not found in PATH"),
                           (plain, f"command {plain}: not an executable file"),
                           (tmp_path, f"command {tmp_path}: not an executable file")):
        done = offline(tmp_path, configuration(tmp_path, URL, [command]), "--json")
        assert warnings_of(done)["command"] == words


def test_strict_turns_warnings_into_1(tmp_path):
    config = configuration(tmp_path, URL, ["/nonexistent/worker"])
    assert offline(tmp_path, config).returncode == 0
    assert offline(tmp_path, config, "--strict").returncode == 1
    assert offline(tmp_path, configuration(tmp_path, URL, scripted()), "--strict").returncode == 0


def test_too_few_open_files_are_a_warning_with_the_arithmetic(tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))

    done = offline(tmp_path, configuration(tmp_path, URL, scripted(), maximum=30), "--json", preexec_fn=limit)
    assert warnings_of(done)["nofile"] == (
        "the limit of open files (RLIMIT_NOFILE, ulimit -n) is 200; 2 x 30 workers, running and draining, x 3 files + 64 "
        "of the supervisor = 244")


@pytest.mark.skipif(os.geteuid() != 0, reason="gives up root to come under the limit")
def test_too_few_processes_are_a_warning_with_the_arithmetic(tmp_path):
    path = write_configuration(tmp_path, configuration(tmp_path, URL, scripted(), maximum=30,
                                                       fleet={"env": {"NUM_WORKERS": "100"}}))
    # Another user must be able to reach program and file.
    binary = tmp_path / "sluice"
    shutil.copy(BIN / "sluice", binary)
    for folder in [tmp_path, *tmp_path.parents]:
        if not os.stat(folder).st_mode & 0o001:
            os.chmod(folder, os.stat(folder).st_mode | 0o011)
    os.chmod(path, 0o644)

    def become_somebody():
        resource.setrlimit(resource.RLIMIT_NPROC, (1000, 1000))
        os.setgid(65534)
        os.setuid(65534)

    done = subprocess.run([binary, "check", "--config", path, "--offline", "--json"], env=harness.environment(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                          preexec_fn=become_somebody, timeout=60)
    assert warnings_of(done)["nproc"] == (
        "the limit of processes and threads (RLIMIT_NPROC, ulimit -u) is 1000; 30 workers x (100 + 8) threads = 3240")


def test_memory_that_cannot_hold_the_stacks_is_a_warning_with_the_arithmetic(tmp_path):
    config = configuration(tmp_path, URL, scripted(), maximum=100000, fleet={"env": {"NUM_WORKERS": "1000"}})
    text = warnings_of(offline(tmp_path, config, "--json"))["memory"]
    assert text.endswith("100000 workers x (1000 + 8) threads x 256 KiB of stack = 25200000 MiB if every stack is used to "
                         "its end")


def test_the_queue_is_asked_for_its_redrive_policy(world):
    path = write_configuration(world.folder, world.configuration(scripted()))

    def warnings():
        done = run_sluice("check", "--config", path, "--json", env=world.environment())
        return {code: text for code, text in warnings_of(done).items() if code not in ("memory", "nofile")}

    assert list(warnings()) == ["no_dead_letter_queue"]
    dead = world.sqs.create("orders-dead", MessageRetentionPeriod=345600)
    arn = f"arn:aws:sqs:{harness.REGION}:{harness.ACCOUNT}:orders-dead"

    def redrive(count, target=arn):
        world.sqs.call("SetQueueAttributes", QueueUrl=world.queue_url, Attributes={
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": target, "maxReceiveCount": count}),
            "MessageRetentionPeriod": "345600"})

    redrive(3)
    found = warnings()
    assert sorted(found) == ["dead_letter_retention", "max_receive_count"]
    assert found["max_receive_count"].startswith("the queue's maxReceiveCount is 3, want 5 or more")
    assert found["dead_letter_retention"].startswith(
        "the dead-letter queue keeps messages for 345600 s, the queue for 345600 s")
    redrive(5)
    world.sqs.call("SetQueueAttributes", QueueUrl=dead, Attributes={"MessageRetentionPeriod": "1209600"})
    assert warnings() == {}
    world.sqs.call("DeleteQueue", QueueUrl=dead)
    assert list(warnings()) == ["dead_letter_queue"]


def test_a_queue_that_cannot_be_asked_is_a_warning(world):
    config = world.configuration(scripted())
    config["fleets"][0]["queue"] = {"name": "nowhere"}
    done = run_sluice("check", "--config", write_configuration(world.folder, config), "--json", env=world.environment())
    assert "GetQueueUrl: not found" in warnings_of(done)["queue"]
    wrong = run_sluice("check", "--config", write_configuration(world.folder, world.configuration(scripted())), "--json",
                       env=world.environment(AWS_SECRET_ACCESS_KEY="wrong"))
    assert "credentials" in warnings_of(wrong)["queue"]


@pytest.mark.parametrize("arguments,code,words", [
    ([], 64, "Usage: sluice COMMAND"),
    (["frobnicate"], 64, "unknown command frobnicate"),
    (["run"], 64, "--config FILE is required"),
    (["check"], 64, "--config FILE is required"),
    (["check", "--config", "a", "b"], 64, "b: too many operands"),
    (["check", "--colour"], 64, "--colour"),
    (["status", "--socket"], 64, "--socket"),
])
def test_bad_command_lines_are_64(arguments, code, words):
    done = run_sluice(*arguments)
    assert done.returncode == code and words in done.stderr and done.stdout == ""


def test_help_is_there_for_every_command():
    overview = run_sluice("--help")
    assert overview.returncode == 0
    names = [line.split()[0] for line in overview.stdout.split("Commands:\n")[1].split("\n\n")[0].splitlines()]
    assert {"run", "check", "status", "version"} <= set(names)
    for name in names:
        done = run_sluice(name, "--help")
        assert done.returncode == 0 and done.stdout.startswith(f"Usage: sluice {name} "), name
        assert "--help" in done.stdout


def test_version_says_what_it_runs_with():
    told = json.loads(run_sluice("version", "--json").stdout)
    assert set(told) == {"version", "libcurl", "tls", "libcrypto", "jansson", "libevent"}
    assert run_sluice("--version").stdout.startswith(f"sluice {told['version']} (")
