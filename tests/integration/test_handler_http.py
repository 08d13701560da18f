"""The http handler end to end: what it sends, what replies mean, faults on both sides, connections, leases, drain."""
import re
import signal
import ssl
import subprocess
import threading

import pytest

import harness
from harness import wait_until
from handler_harness import KINDS, OPERATIONS, kinds
from web_app import WebApp
from worker_harness import Shop, Worker


@pytest.fixture
def web():
    """web(behave) starts an application; it ends with the test."""
    started = []

    def start(*args, **options):
        started.append(WebApp(*args, **options))
        return started[-1]

    yield start
    for app in started:
        app.close()


@pytest.fixture
def shop(localaws, tmp_path):
    return Shop(localaws, tmp_path, speed=10)


def start(spawn, shop, url, *args, threads=20, name="worker", **env):
    return Worker(spawn, shop.folder, shop.queue_url, shop.env(NUM_WORKERS=threads, **env),
                  ["--handler", "http", "--http-url", url, *args], name=name)


def send(shop, body="{}", **attributes):
    def value(text):
        kind, member = ("Binary", "BinaryValue") if isinstance(text, bytes) else ("String", "StringValue")
        return {"DataType": kind, member: "AAEC" if isinstance(text, bytes) else text}

    return shop.sqs.call("SendMessage", QueueUrl=shop.queue_url, MessageBody=body,
                         MessageAttributes={k: value(v) for k, v in attributes.items()})["MessageId"]


def failures(worker):
    return [line for line in worker.process.logs() if "reason" in line and "message_id" in line]


# ---- what is sent ----

def test_a_request_is_the_one_that_beanstalk_sends(spawn, shop, web):
    app = web()
    message_id = send(shop, '{"n": 1}', **{"Trace": "abc", "Count": "7", "blob": b"x", "multi": "a\r\nX-Evil: 1", "empty": " "})
    worker = start(spawn, shop, app.url)
    shop.wait_empty(worker)
    worker.finish()
    request, = app.requests
    version = subprocess.check_output([harness.BIN / "sluice-worker", "--version"], text=True).split()[1]
    assert request.path == "/orders"
    assert request.body == b'{"n": 1}'
    assert request.header("User-Agent") == f"aws-sqsd/2.0 (sluice-worker/{version})"
    assert request.header("Content-Type") == "application/json"
    assert request.message_id == message_id
    assert request.header("X-Aws-Sqsd-Queue") == "orders"
    assert request.header("X-Aws-Sqsd-Receive-Count") == "1"
    assert request.header("X-Aws-Sqsd-Sender-Id") == harness.ACCOUNT
    for name in ("X-Aws-Sqsd-First-Received-At", "X-Aws-Sqsd-Sent-At"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", request.header(name)), name
    assert request.header("X-Aws-Sqsd-Attr-Trace") == "abc"
    assert request.header("X-Aws-Sqsd-Attr-Count") == "7"
    assert request.header("X-Sluice-Receipt-Handle")
    # What is binary or would end the header is left out and named; nothing is smuggled in.
    assert request.header("X-Aws-Sqsd-Attr-blob") is None
    assert request.header("X-Aws-Sqsd-Attr-multi") is None
    assert request.header("X-Evil") is None
    assert set(request.header("X-Sluice-Omitted-Attributes").split(", ")) == {"blob", "multi"}
    for name in ("X-Aws-Sqsd-Taskname", "X-Aws-Sqsd-Scheduled-At", "X-Aws-Sqsd-Path", "Expect"):
        assert request.header(name) is None


def test_a_periodic_task_goes_to_its_path(spawn, shop, web):
    app = web()
    send(shop, "elasticbeanstalk scheduled job", **{
        "beanstalk.sqsd.path": "/tasks/backup?full=1", "beanstalk.sqsd.task_name": "backup",
        "beanstalk.sqsd.scheduled_time": "2026-11-23 09:20:00 UTC"})
    send(shop, "to the root", **{"beanstalk.sqsd.path": "//elsewhere.example/x"})
    worker = start(spawn, shop, app.url, "--retry-delays", "600s")
    wait_until(lambda: len(app.requests) == 1 and failures(worker), what="a request and a refusal")
    request, = app.requests  # the other one is refused and goes nowhere
    assert request.path == "/tasks/backup?full=1"
    assert request.body == b""
    assert request.header("X-Aws-Sqsd-Path") == "/tasks/backup?full=1"
    assert request.header("X-Aws-Sqsd-Taskname") == "backup"
    assert request.header("X-Aws-Sqsd-Scheduled-At") == "2026-11-23T09:20:00Z"
    assert request.header("X-Sluice-Omitted-Attributes") is None
    assert any("beanstalk.sqsd.path" in line["reason"] for line in failures(worker))


def test_password_and_unix_socket(spawn, shop, web):
    path = str(shop.folder / "app.sock")
    app = web(unix_path=path)
    send(shop)
    worker = start(spawn, shop, "http://joe:s3cret%21@app.example/hook", "--http-unix-socket", path)
    shop.wait_empty(worker)
    worker.finish()
    request, = app.requests
    assert request.path == "/hook"
    assert request.header("Host") == "app.example"
    assert request.header("Authorization") == "Basic am9lOnMzY3JldCE="
    assert "s3cret" not in worker.process.stderr()


def certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1"], cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def test_tls_is_verified(spawn, shop, web):
    app = web(context=certificate(shop.folder))
    send(shop)
    stranger = start(spawn, shop, app.url, "--retry-delays", "1s", name="stranger")
    wait_until(lambda: failures(stranger), what="a refusal")
    assert "certificate" in failures(stranger)[0]["reason"]
    assert stranger.process.stop() == 0
    assert app.requests == []
    friend = start(spawn, shop, app.url, "--http-ca-file", shop.folder / "cert.pem", name="friend")
    shop.wait_empty(friend)
    friend.finish()
    assert len(app.requests) == 1


# ---- what replies mean ----

def receive_counts(app):
    return [int(request.header("X-Aws-Sqsd-Receive-Count")) for request in app.requests]


@pytest.mark.parametrize("answer", [
    (500, {}, b"boom\n"), (404, {}, b""), (302, {"Location": "/elsewhere"}, b""), (503, {}, b""), 429,
    (429, {"Retry-After": "3"}, b""), (503, {"Retry-After": "2"}, b""), "reset", "close", "truncate",
], ids=str)
def test_what_is_no_success_comes_again(spawn, shop, web, answer):
    app = web(lambda request: answer if request.attempt == 1 else (204, {}, b""))
    send(shop)
    worker = start(spawn, shop, app.url)
    shop.wait_empty(worker)
    worker.finish()
    assert receive_counts(app) == [1, 2]
    assert [request.path for request in app.requests] == ["/orders", "/orders"]


def test_retry_after_and_error_visibility_say_when(spawn, shop, web):
    """Ten minutes instead of the table's second: the message is there, invisible, and not handled again."""
    app = web(lambda request: (429, {"Retry-After": "600"}, b"later") if request.body == b"busy" else 500)
    send(shop, "busy")
    send(shop, "bad")
    worker = start(spawn, shop, app.url, "--http-error-visibility", "700s", "--visibility-timeout", "4s")
    wait_until(lambda: len(app.requests) == 2, what="two requests")
    other = send(shop, "bad")  # whoever overtakes the two by far shows that they do not come
    wait_until(lambda: app.attempts[other] == 1, what="the third")
    worker.wait_stats(lambda s: s["busy"] == 0 and s["held"] == 0)
    assert worker.finish()
    assert shop.counts() == (0, 3)
    assert sorted(app.ids().values()) == [1, 1, 1]
    assert sorted(line["again_in_s"] for line in failures(worker)) == [600, 700, 700]


def test_a_rejected_message_goes_to_the_dlq_at_once(spawn, shop, web):
    dlq = shop.sqs.create("dead")
    app = web(lambda request: (422, {}, b"no such customer"))
    send(shop, '{"customer": 0}')
    worker = start(spawn, shop, app.url, "--http-reject", "400,422", "--dlq-url", dlq)
    shop.wait_empty(worker)
    worker.finish()
    assert receive_counts(app) == [1]
    message, = shop.sqs.call("ReceiveMessage", QueueUrl=dlq, MessageAttributeNames=["All"])["Messages"]
    assert message["Body"] == '{"customer": 0}'
    assert "status 422: no such customer" in [value.get("StringValue") for value in message["MessageAttributes"].values()]


def test_an_endless_reply_is_not_read_to_its_end(spawn, shop, web):
    app = web(lambda request: "endless")
    send(shop)
    worker = start(spawn, shop, app.url)
    shop.wait_empty(worker)
    worker.finish()
    wait_until(lambda: app.left == 1, what="the connection to be closed")
    assert len(app.requests) == 1


def test_a_time_limit_ends_the_request(spawn, shop, web):
    app = web(lambda request: "hang" if request.attempt == 1 else 200)
    send(shop)
    worker = start(spawn, shop, app.url, "--http-timeout", "5s")
    shop.wait_empty(worker)
    worker.finish()
    assert app.left == 1
    assert receive_counts(app) == [1, 2]


def test_an_application_that_starts_late_costs_no_receive(spawn, shop, web):
    path = str(shop.folder / "late.sock")
    send(shop)
    worker = start(spawn, shop, "http://localhost/", "--http-unix-socket", path, "--http-connect-timeout", "10m")
    worker.wait_stats(lambda s: s["busy"] == 1, what="the request to wait")
    app = web(unix_path=path)
    shop.wait_empty(worker)
    worker.finish()
    assert receive_counts(app) == [1]


def test_nobody_listens_then_somebody_does(spawn, shop, web):
    path = str(shop.folder / "app.sock")
    send(shop)
    worker = start(spawn, shop, "http://localhost/", "--http-unix-socket", path, "--http-connect-timeout", "1s")
    wait_until(lambda: failures(worker), what="a failure")
    assert "no connection" in failures(worker)[0]["reason"]
    app = web(unix_path=path)
    shop.wait_empty(worker)
    worker.finish()
    assert len(app.requests) == 1


# ---- faults on both sides ----

@pytest.mark.parametrize("name", kinds(["duplicate", "entry_error", "error-after", "hang", "reset", "throttle", "truncate"]))
def test_a_fault_of_sqs_loses_and_doubles_nothing(spawn, shop, web, name):
    """At every operation; replies come slowly enough that every message is extended."""
    app = web(lambda request: threading.Event().wait(3 / shop.speed) or 200)
    sent = {send(shop) for _ in range(20)}
    for operation in OPERATIONS:
        shop.inject(**dict(KINDS[name], operation=operation, seed=7))
    worker = start(spawn, shop, app.url, "--visibility-timeout", "8s", threads=5)
    shop.wait_empty(worker)
    assert all(rule["fired_total"] >= 1 for rule in shop.server.faults()["rules"]), "a fault never happened"
    worker.finish()
    assert app.ids() == dict.fromkeys(sent, 1)


APP_FAULTS = ["reset", "close", 500, (429, {"Retry-After": "1"}, b""), "hang", "truncate"]


def test_faults_on_both_sides_at_once(spawn, shop, web):
    """Every message meets one fault of the application more or less; each costs one more request, nothing else does."""
    faults = {}

    def behave(request):
        number = int(request.body)
        if request.attempt <= number % 3:
            faults[request.message_id] = faults.get(request.message_id, 0) + 1
            return APP_FAULTS[(number + request.attempt) % len(APP_FAULTS)]
        return "slow" if number % 5 == 0 else 200

    app = web(behave)
    sent = {send(shop, str(i)) for i in range(120)}
    seed = 0
    for operation in OPERATIONS:
        for kind in ("error", "throttle", "reset", "truncate"):
            seed += 1
            shop.inject(operation, kind, probability=0.1, seed=seed)
    worker = start(spawn, shop, app.url, "--http-timeout", "5s", "--visibility-timeout", "30s",
                   "--failure-brake", "0")
    shop.wait_empty(worker)
    worker.finish()
    assert shop.fired() >= 5
    assert len(faults) == 80
    assert app.ids() == {message_id: 1 + faults.get(message_id, 0) for message_id in sent}


# ---- connections ----

def test_connections_are_kept(spawn, shop, web):
    app = web(lambda request: threading.Event().wait(0.01) or 200)
    for _ in range(30):
        shop.send("{}" for _ in range(10))
    worker = start(spawn, shop, app.url, threads=8)
    shop.wait_empty(worker)
    worker.finish()
    assert len(app.requests) == 300
    assert app.connections <= 8
    assert worker.of_type("ready")[0]["capacity"] == 8


def test_requests_at_once_are_bounded(spawn, shop, web):
    running = most = 0
    lock = threading.Lock()

    def behave(request):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.02)
        with lock:
            running -= 1
        return 200

    app = web(behave)
    shop.send("{}" for _ in range(60))
    worker = start(spawn, shop, app.url, "--http-connections", "3", threads=20)
    assert worker.wait_ready()["capacity"] == 3
    shop.wait_empty(worker)
    worker.finish()
    assert most == 3
    assert app.connections == 3


def test_one_at_a_time_uses_one_connection_of_many(spawn, shop, web):
    """The connection that was used last is taken first."""
    app = web()
    worker = start(spawn, shop, app.url, threads=20)
    for count in range(1, 21):
        shop.send(["{}"])
        wait_until(lambda: len(app.requests) == count, what="the request")
        shop.wait_empty(worker)
    worker.finish()
    assert app.connections == 1


def test_a_kept_connection_that_closes_is_noticed(spawn, shop, web):
    """The application closes after every reply without saying so: no request is lost, none is sent twice."""
    app = web(lambda request: "last")
    sent = {send(shop) for _ in range(40)}
    worker = start(spawn, shop, app.url, threads=4)
    shop.wait_empty(worker)
    worker.finish()
    assert set(app.ids()) == sent


def test_a_request_on_a_kept_connection_is_not_repeated_by_itself(spawn, shop, web):
    """Closed after the request was read: the application may have acted on it. SQS delivers it again, and counts."""
    app = web(lambda request: "close" if request.body == b"b" and request.attempt == 1 else 200)
    send(shop, "a")
    worker = start(spawn, shop, app.url, threads=1)
    shop.wait_empty(worker)
    send(shop, "b")
    shop.wait_empty(worker)
    worker.finish()
    assert [(r.body, r.header("X-Aws-Sqsd-Receive-Count")) for r in app.requests] == [
        (b"a", "1"), (b"b", "1"), (b"b", "2")]
    assert app.requests[0].connection == app.requests[1].connection
    assert any("kept connection" in line["reason"] for line in failures(worker))


# ---- leases and the end ----

def test_a_lost_lease_closes_the_request(spawn, shop, web):
    app = web(lambda request: "hang" if request.attempt == 1 else 200)
    sent = {send(shop) for _ in range(3)}
    shop.inject("ChangeMessageVisibilityBatch", "entry_error", entry_probability=1, code="ReceiptHandleIsInvalid")
    worker = start(spawn, shop, app.url, "--visibility-timeout", "4s", "--http-timeout", "1h")
    wait_until(lambda: app.left == 3, what="closed requests")
    worker.wait_stats(lambda s: s["lease_lost"] >= 3)
    shop.server.faults("DELETE")
    shop.wait_empty(worker)
    worker.finish()
    assert app.ids() == dict.fromkeys(sent, 2)


def test_term_under_load_finishes_what_runs_and_loses_nothing(spawn, shop, web):
    app = web(lambda request: threading.Event().wait(1 / shop.speed) or 200)
    sent = {send(shop) for _ in range(100)}
    first = start(spawn, shop, app.url, threads=10, name="first")
    wait_until(lambda: len(app.requests) >= 25, what="load")
    first.process.signal(signal.SIGTERM)
    assert first.process.wait() == 0
    handled = len(app.requests)
    assert shop.counts() == (100 - handled, 0)
    second = start(spawn, shop, app.url, threads=10, name="second")
    shop.wait_empty(second)
    second.finish()
    assert app.ids() == dict.fromkeys(sent, 1)


def test_a_request_that_outlasts_the_grace_is_closed_and_its_message_handed_back(spawn, shop, web):
    app = web(lambda request: "hang")
    send(shop)
    worker = start(spawn, shop, app.url, "--http-timeout", "1h", "--stop-grace", "10s")
    wait_until(lambda: len(app.requests) == 1, what="the request")
    worker.process.signal(signal.SIGTERM)
    assert worker.process.wait() == 0
    wait_until(lambda: app.left == 1, what="the connection to be closed")
    assert shop.counts() == (1, 0)


# ---- bad settings ----

@pytest.mark.parametrize("arguments, complaint", [
    (["--http-url", "localhost:80/x"], "--http-url"),
    (["--http-url", "ftp://h/x"], "--http-url"),
    (["--http-url", "http://joe:s3cret@h/x#y"], "--http-url"),
    (["--http-url", "http://"], "--http-url"),
    (["--http-reject", "400;422"], "--http-reject"),
    (["--http-reject", "200"], "--http-reject"),
    (["--http-error-visibility", "1500ms"], "--http-error-visibility"),
    (["--http-error-visibility", "13h"], "--http-error-visibility"),
    (["--http-content-type", "a\nb: c"], "--http-content-type"),
    (["--http-unix-socket", "x" * 200], "--http-unix-socket"),
    (["--http-ca-file", "/nonexistent"], "--http-ca-file"),
    (["--", "surplus"], "surplus"),
])
def test_a_bad_setting_is_named(arguments, complaint):
    result = subprocess.run([harness.BIN / "sluice-worker", "--handler", "http", "--queue-url", "http://127.0.0.1:1/1/q",
                             *arguments], env=harness.environment(), capture_output=True, text=True)
    assert result.returncode == 64, result.stderr
    assert complaint in result.stderr
    assert "s3cret" not in result.stderr
