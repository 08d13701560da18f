"""Handlers as shared objects, end to end: the example as a user builds it, odd ones, faults, and what is refused."""
import collections
import pathlib
import re
import signal
import subprocess

import pytest

import harness
from handler_harness import KINDS, OPERATIONS, kinds
from harness import wait_until
from worker_harness import Shop, Worker

ROOT = pathlib.Path(__file__).resolve().parents[2]
ODD = pathlib.Path(__file__).with_name("odd_plugin.c")


def run(*argv, **options):
    result = subprocess.run([str(a) for a in argv], capture_output=True, text=True, **options)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """Sluice as `cmake --install` leaves it, away from its source."""
    folder = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", harness.BIN.parent, "--prefix", folder)
    return folder


@pytest.fixture(scope="module")
def archive(prefix, tmp_path_factory):
    """The example, built as its README says, out of the source tree."""
    source = tmp_path_factory.mktemp("example")
    for file in (ROOT / "deploy" / "examples" / "plugin").iterdir():
        (source / file.name).write_bytes(file.read_bytes())
    run("cmake", "-G", "Ninja", "-S", source, "-B", source / "build", f"-DCMAKE_PREFIX_PATH={prefix}",
        f"-DCMAKE_C_COMPILER={harness.built_with()}", "-DCMAKE_C_FLAGS=-Wall -Wextra -Werror")
    run("cmake", "--build", source / "build")
    return source / "build" / "archive.so"


@pytest.fixture(scope="module")
def odd(prefix, tmp_path_factory):
    """odd("-DODD_ABI=2", ...) compiles odd_plugin.c and gives its path."""
    folder = tmp_path_factory.mktemp("odd")

    def build(*flags):
        path = folder / (re.sub(r"\W", "_", "".join(flags)) + "odd.so")
        run(harness.built_with(), "-shared", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror", f"-I{prefix}/include", *flags,
            "-o", path, ODD)
        return path

    return build


@pytest.fixture
def shop(localaws, tmp_path):
    return Shop(localaws, tmp_path, speed=10)


def start(spawn, shop, plugin, *args, name="worker", threads=20):
    return Worker(spawn, shop.folder, shop.queue_url, shop.env(NUM_WORKERS=threads),
                  ["--handler", "plugin", "--plugin", plugin, *args], name=name)


def archived(shop):
    """How often each body was archived; every line is whole."""
    lines = (shop.folder / "archive.tsv").read_text().splitlines()
    return collections.Counter(re.fullmatch(r"[0-9a-f-]{36}\t(.*)", line).group(1) for line in lines)


def logged(worker, text):
    return [line for line in worker.process.logs() if text in line["message"]]


# ---- the example ----

def test_the_example_archives_every_message_once(spawn, shop, archive):
    sent = shop.send_orders(300)
    bodies = 300
    worker = start(spawn, shop, archive, "--", shop.folder / "archive.tsv")
    shop.wait_empty(worker)
    worker.finish()
    found = archived(shop)
    assert set(found.values()) == {1}
    assert {re.search(r'"order_id": "([^"]*)"', body).group(1) for body in found} == sent
    line, = logged(worker, "archived")
    messages, syncs = map(int, re.findall(r"\d+", line["message"]))
    assert messages == bodies
    assert syncs < bodies, "no two lines shared a sync"


def test_the_installed_worker_runs_the_example(spawn, shop, prefix, archive):
    shop.send(["one"])
    process = spawn([prefix / "bin" / "sluice-worker", "--handler", "plugin", "--plugin", archive, "--",
                     shop.folder / "archive.tsv"], shop.env(SQS_QUEUE_URL=shop.queue_url))
    shop.wait_empty()
    assert process.stop() == 0
    assert archived(shop) == {"one": 1}


@pytest.mark.parametrize("name", kinds(["error-after", "hang", "reset", "throttle", "truncate"]))
def test_a_fault_of_sqs_loses_and_doubles_nothing(spawn, shop, archive, name):
    sent = [f"body-{i}" for i in range(60)]
    shop.send(sent)
    for operation in OPERATIONS:
        if operation != "ChangeMessageVisibilityBatch":  # messages are done before they need one
            shop.inject(**dict(KINDS[name], operation=operation, seed=7))
    worker = start(spawn, shop, archive, "--", shop.folder / "archive.tsv")
    shop.wait_empty(worker)
    assert all(rule["fired_total"] >= 1 for rule in shop.server.faults()["rules"]), "a fault never happened"
    worker.finish()
    assert archived(shop) == dict.fromkeys(sent, 1)


def test_term_under_load_loses_nothing(spawn, shop, archive):
    sent = [f"body-{i}" for i in range(1000)]
    shop.send(sent)
    path = shop.folder / "archive.tsv"
    for number in range(100):
        worker = start(spawn, shop, archive, "--", path, name=f"worker-{number}")
        seen = len(path.read_text().splitlines()) if path.exists() else 0
        wait_until(lambda: shop.counts() == (0, 0) or len(path.read_text().splitlines() if path.exists() else []) > seen + 50,
                   what="progress")
        worker.process.signal(signal.SIGTERM)
        assert worker.process.wait() == 0
        if shop.counts() == (0, 0):
            break
    assert archived(shop) == dict.fromkeys(sent, 1)


def test_the_examples_own_verdicts(spawn, shop, archive):
    dlq = shop.sqs.create("dead")
    shop.send(["two\nlines"])
    worker = start(spawn, shop, archive, "--dlq-url", dlq, "--", shop.folder / "archive.tsv")
    shop.wait_empty(worker)
    worker.finish()
    message, = shop.sqs.call("ReceiveMessage", QueueUrl=dlq)["Messages"]
    assert message["Body"] == "two\nlines"
    shop.send(["full"])
    worker = start(spawn, shop, archive, "--", "/dev/full", name="full")
    line, = wait_until(lambda: [line for line in worker.process.logs() if "reason" in line and "message_id" in line],
                       what="a retry")
    assert line["reason"] == "the archive cannot be written"
    assert line["again_in_s"] == 30
    worker.finish()


def test_the_manuals_smallest_plugin_works(spawn, shop, prefix):
    text = (ROOT / "docs" / "handlers.md").read_text()
    source = shop.folder / "print.c"
    source.write_text(re.search(r"```c\n(.*?)```", text, re.S).group(1))
    run(harness.built_with(), "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", f"-I{prefix}/include",
        "-o", shop.folder / "print.so", source)
    shop.send(["one", "two"])
    worker = start(spawn, shop, shop.folder / "print.so")
    shop.wait_empty(worker)
    worker.finish()
    assert sorted(worker.process.stdout().split()) == ["one", "two"]


# ---- odd ones ----

def test_flags_limit_and_facts_are_the_plugins(spawn, shop, odd):
    shop.sqs.call("SendMessage", QueueUrl=shop.queue_url, MessageBody="tell",
                  MessageAttributes={"Trace": {"DataType": "String", "StringValue": "abc"}})
    plain = start(spawn, shop, odd(), "--", "a", "b", name="plain")
    assert plain.wait_ready()["capacity"] == 3
    shop.wait_empty(plain)
    plain.finish()
    assert logged(plain, f"-=- sender=- first=0 arguments=2 queue={shop.queue_url}")
    assert logged(plain, "opened")
    shop.sqs.call("SendMessage", QueueUrl=shop.queue_url, MessageBody="tell",
                  MessageAttributes={"Trace": {"DataType": "String", "StringValue": "abc"}})
    curious = start(spawn, shop, odd("-DODD_FLAGS=(SLUICE_WANTS_ATTRIBUTES|SLUICE_WANTS_ORIGIN)"), name="curious")
    shop.wait_empty(curious)
    curious.finish()
    line, = logged(curious, "Trace=abc")
    assert f"sender={harness.ACCOUNT} first=1 arguments=0" in line["message"]
    assert line["message_id"] and line["level"] == "warning"


def test_a_wild_verdict_is_a_failure(spawn, shop, odd):
    shop.send(["wild"])
    worker = start(spawn, shop, odd())
    shop.wait_empty(worker)
    worker.finish()
    assert any("42, which is no verdict" in line.get("reason", "") for line in worker.process.logs())


def test_a_plugin_is_told_when_the_worker_has_to_leave(spawn, shop, odd):
    shop.send(["wait"])
    # It is told while its message is handed back, and has as long as that takes: at most half a real second for both,
    # which a busy machine may miss. Then the message returns by its visibility timeout, and the next worker tries.
    shop.inject("ChangeMessageVisibilityBatch", "latency", latency_ms=250)
    seen = []
    while (True, (1, 0)) not in seen and len(seen) < 5:
        worker = start(spawn, shop, odd(), "--stop-grace", "10s", name=f"w-{len(seen)}")
        worker.wait_stats(lambda s: s["busy"] == 1)
        worker.process.signal(signal.SIGTERM)
        assert worker.process.wait() == 0
        seen.append((bool(logged(worker, "told to stop")), shop.counts()))
    assert seen[-1] == (True, (1, 0)), seen


# ---- what is refused ----

def refused(env, *args):
    result = subprocess.run([str(a) for a in [harness.BIN / "sluice-worker", "--handler", "plugin", *args]],
                            env=dict(env, SQS_QUEUE_URL="http://127.0.0.1:1/123456789012/q"), capture_output=True, text=True)
    return result.returncode, result.stderr


@pytest.mark.parametrize("flags, complaint", [
    (["-DODD_ABI=2"], "abi_version is 2, this worker knows 1"),
    (["-DODD_SIZE=16"], "size is 16"),
    (["-DODD_NULL"], "returned NULL"),
    (["-DODD_NO_ENTRY"], "no function sluice_plugin()"),
    (["-DODD_UNDEFINED"], "nobody_has_this"),
])
def test_what_does_not_fit_is_named(odd, flags, complaint):
    path = odd(*flags)
    code, text = refused(harness.environment(), "--plugin", path)
    assert code == 78, text
    assert str(path) in text
    assert complaint in text


def test_a_refusal_by_open_is_told_in_one_line(odd):
    code, text = refused(harness.environment(SLUICE_WORKER_NAME="w-1"), "--plugin", odd(), "--", "refuse")
    assert code == 78
    assert "its open() failed: not w-1, not here" in text


def test_no_file_and_no_plugin(tmp_path):
    (tmp_path / "text.so").write_text("no ELF at all")
    for path, complaint in ((tmp_path / "text.so", "text.so"), (tmp_path / "none.so", "No such file")):
        code, text = refused(harness.environment(), "--plugin", path)
        assert code == 78
        assert str(path) in text and complaint in text
    code, text = refused(harness.environment())
    assert code == 64
    assert "want --plugin FILE" in text


def test_the_header_is_c11_and_cxx(spawn, shop, prefix, tmp_path):
    source = tmp_path / "handler.cc"
    source.write_text("""
        #include <sluice/handler.h>
        namespace {
        sluice_verdict handle(void *, const sluice_message *message, const sluice_context *)
        { return message->body_len > 0 ? SLUICE_DONE : SLUICE_REJECT; }
        sluice_handler handler;
        }
        const sluice_handler *sluice_plugin()
        {
            handler.abi_version = SLUICE_HANDLER_ABI;
            handler.size = sizeof handler;
            handler.handle = handle;
            return &handler;
        }""")
    run("g++", "-std=c++11", "-pedantic-errors", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-shared", "-fPIC", f"-I{prefix}/include",
        "-o", tmp_path / "cxx.so", source)
    run("gcc", "-std=c11", "-pedantic-errors", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c",
        prefix / "include" / "sluice" / "handler.h")
    shop.send(["from C++"])
    worker = start(spawn, shop, tmp_path / "cxx.so")
    shop.wait_empty(worker)
    worker.finish()
