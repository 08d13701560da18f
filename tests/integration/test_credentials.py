"""Keys from every source of the chain reach the signature: a worker drains a queue that checks it."""
import json
import stat
import subprocess
import sys
import time

import pytest

import harness
from fake_credentials import ROLE, Sources, key_set
from harness import BIN, wait_until
from supervisor_harness import Sqs, configuration, write_configuration
from worker_harness import Shop, Worker

NOOP = ("--handler", "noop")


@pytest.fixture
def sources():
    started = []

    def start(answer=None):
        started.append(Sources(answer))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def shop(localaws, tmp_path):
    return Shop(localaws, tmp_path, speed=1)


def bare(shop, folder, config="", **extra):
    """The shop's environment without keys in it; `config` is the text of a configuration file."""
    path = folder / "aws-config"
    path.write_text(config)
    return shop.env(AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None, AWS_CONFIG_FILE=path, NUM_WORKERS=4, **extra)


def container(server):
    return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{server.url}/keys"}


def instance(server):
    return {"AWS_EC2_METADATA_DISABLED": None, "AWS_EC2_METADATA_SERVICE_ENDPOINT": server.url}


def printing_program(folder, life_s=3600, before=""):
    keys = dict(key_set(life_s), Version=1)
    keys["SessionToken"] = keys.pop("Token")
    path = folder / "print-keys"
    path.write_text(f"#!{sys.executable} -S\nimport sys\n{before}\nprint({json.dumps(json.dumps(keys))})\n")
    path.chmod(stat.S_IRWXU)
    return path


def no_secret_in(*processes):
    for process in processes:
        text = process.stdout() + process.stderr()
        assert harness.SECRET_KEY not in text and "session-token" not in text and "metadata-token" not in text


def drain(shop, spawn, folder, env, count=40, args=NOOP):
    shop.send(f"m-{i}" for i in range(count))
    worker = Worker(spawn, folder, shop.queue_url, env, args)
    shop.wait_empty(worker)
    worker.wait_stats(lambda s: s["deleted"] == count)
    worker.finish()
    no_secret_in(worker.process)
    return worker


def found(worker):
    """Source of the set that was asked for, as the log tells it."""
    lines = [line for line in worker.process.logs() if line.get("message") == "credentials found"]
    return lines[0]["source"] if lines else None


# ---- every source ----

def test_keys_of_a_profile(shop, spawn, tmp_path):
    config = (f"[profile shop]\naws_access_key_id = {harness.ACCESS_KEY}\naws_secret_access_key = {harness.SECRET_KEY}\n")
    worker = drain(shop, spawn, tmp_path, bare(shop, tmp_path, config, AWS_PROFILE="shop"))
    assert found(worker) is None  # nobody had to be asked


def test_a_program(shop, spawn, tmp_path):
    program = printing_program(tmp_path, before="sys.stderr.write('session-token on standard error\\n')")
    worker = drain(shop, spawn, tmp_path, bare(shop, tmp_path, f"[default]\ncredential_process = '{program}' --x\n"))
    assert found(worker) == "profile default, credential_process"


def test_a_role_by_another_profile(shop, spawn, tmp_path, sources):
    server = sources()
    config = ("[default]\nrole_arn = arn:aws:iam::1:role/outer\nsource_profile = base\nexternal_id = ticket\n"
              "[profile base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = other\n")
    worker = drain(shop, spawn, tmp_path, bare(shop, tmp_path, config, AWS_ENDPOINT_URL_STS=server.url))
    assert found(worker) == "profile default, role arn:aws:iam::1:role/outer"
    [(_, _, headers, body)] = server.requests
    assert "Credential=AKIDBASE/" in headers["Authorization"] and "ExternalId=ticket" in body


def test_a_web_identity(shop, spawn, tmp_path, sources):
    server = sources()
    token = tmp_path / "token"
    token.write_text("header.payload.signature\n")
    worker = drain(shop, spawn, tmp_path, bare(shop, tmp_path, AWS_ENDPOINT_URL_STS=server.url, AWS_ROLE_ARN="arn:web",
                                               AWS_WEB_IDENTITY_TOKEN_FILE=token))
    assert found(worker) == "web identity, role arn:web"
    [(_, _, headers, body)] = server.requests
    assert "Authorization" not in headers and "WebIdentityToken=header.payload.signature" in body


def test_a_container(shop, spawn, tmp_path, sources):
    server = sources()
    token = tmp_path / "token"
    token.write_text("Bearer of the pod")
    worker = drain(shop, spawn, tmp_path, bare(shop, tmp_path, **container(server),
                                               AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=token))
    assert found(worker) == "container"
    assert [(method, path, headers["Authorization"]) for method, path, headers, _ in server.requests] == [
        ("GET", "/keys", "Bearer of the pod")]


def test_an_instance_tells_keys_and_region(shop, spawn, tmp_path, sources):
    server = sources()
    env = bare(shop, tmp_path, **instance(server), AWS_REGION=None, AWS_DEFAULT_REGION=None)
    worker = drain(shop, spawn, tmp_path, env)
    assert found(worker) == f"instance, role {ROLE}"
    asked = {(method, path) for method, path, _, _ in server.requests}
    assert ("GET", "/latest/meta-data/placement/region") in asked
    assert server.key_requests == 1


# ---- renewal ----

def test_keys_are_renewed_in_mid_run(shop, spawn, tmp_path, sources):
    server = sources(lambda number: key_set(life_s=4))
    worker = Worker(spawn, tmp_path, shop.queue_url, bare(shop, tmp_path, **container(server)), (*NOOP, "--wait-time", "1s"))
    for round_number in range(3):
        shop.send(f"{round_number}-{i}" for i in range(10))
        worker.wait_stats(lambda s, n=round_number: s["deleted"] == 10 * (n + 1))
        wait_until(lambda n=round_number: server.key_requests >= n + 2, what="the next renewal")
    worker.finish()
    assert not [line for line in worker.process.logs() if line["level"] in ("warning", "error")]
    no_secret_in(worker.process)


def test_an_endpoint_that_is_down_at_renewal_stops_nothing(shop, spawn, tmp_path, sources):
    """The old set is used beyond its end until SQS refuses it, which localaws does not: it knows no expiry."""
    ends = time.time() + 3
    server = sources(lambda number: key_set(life_s=3) if number == 0 else (503, {}))
    worker = Worker(spawn, tmp_path, shop.queue_url, bare(shop, tmp_path, **container(server)), (*NOOP, "--wait-time", "1s"))
    worker.wait_stats(lambda s: server.key_requests >= 4 and time.time() > ends)
    shop.send(f"m-{i}" for i in range(20))
    worker.wait_stats(lambda s: s["deleted"] == 20)
    worker.finish()
    kept = [line for line in worker.process.logs() if line.get("message") == "credentials not renewed, the old ones stay in use"]
    assert len(kept) == 1 and "HTTP 503" in kept[0]["error"] and kept[0]["source"] == "container"
    no_secret_in(worker.process)


def test_keys_that_sqs_calls_expired_are_replaced_at_once(shop, spawn, tmp_path, sources):
    server = sources(lambda number: key_set(key="AKIDEXPIRED", secret="old") if number == 0 else key_set())
    shop.inject("ReceiveMessage", "error", code="ExpiredTokenException", status=403, count=1)
    worker = drain(shop, spawn, tmp_path, bare(shop, tmp_path, **container(server)))
    assert shop.fired() == 1 and server.key_requests == 2
    assert worker.process.popen.returncode == 0


def test_a_throttled_endpoint_is_asked_again(shop, spawn, tmp_path, sources):
    server = sources(lambda number: (429, {}) if number < 2 else key_set())
    drain(shop, spawn, tmp_path, bare(shop, tmp_path, **container(server)))
    assert server.key_requests == 3


# ---- refusals ----

def refused(spawn, shop, folder, env, *parts):
    """The worker ends with 77 and says all of the parts in one line."""
    worker = Worker(spawn, folder, shop.queue_url, env, NOOP)
    assert worker.process.wait(120) == 77
    [line] = [line for line in worker.process.logs() if line.get("message") == "giving up: receiving never worked"]
    for part in parts:
        assert part in line["error"], line["error"]
    assert not worker.of_type("ready")
    no_secret_in(worker.process)


SOURCES_NOT_SET = ("environment: AWS_ACCESS_KEY_ID is not set", "profile default: in neither the config nor",
                   "web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set",
                   "container: AWS_CONTAINER_CREDENTIALS_*_URI is not set")


def test_without_any_source_every_one_is_named(shop, spawn, tmp_path):
    refused(spawn, shop, tmp_path, bare(shop, tmp_path), *SOURCES_NOT_SET,
            "instance: AWS_EC2_METADATA_DISABLED is true")


def test_an_instance_that_cannot_be_reached_is_told_after_all_the_others(shop, spawn, tmp_path):
    env = bare(shop, tmp_path, AWS_EC2_METADATA_DISABLED=None, AWS_EC2_METADATA_SERVICE_ENDPOINT="http://127.0.0.1:1")
    refused(spawn, shop, tmp_path, env, *SOURCES_NOT_SET, "instance: http://127.0.0.1:1 cannot be reached (ConnectFailed)")


def test_a_strange_host_is_not_asked(shop, spawn, tmp_path):
    env = bare(shop, tmp_path, AWS_CONTAINER_CREDENTIALS_FULL_URI="http://192.0.2.1/keys")
    refused(spawn, shop, tmp_path, env, "AWS_CONTAINER_CREDENTIALS_FULL_URI: host 192.0.2.1 is refused")


def test_a_broken_container_is_not_hidden_by_the_instance(shop, spawn, tmp_path, sources):
    server = sources(lambda number: (404, {"code": "NotFound", "message": "unknown task"}))
    env = bare(shop, tmp_path, **{**instance(server), **container(server)})
    refused(spawn, shop, tmp_path, env, "container: refused with code NotFound: unknown task, HTTP 404")
    assert {path for _, path, _, _ in server.requests} == {"/keys"}


def test_a_role_that_may_not_be_assumed_is_told(shop, spawn, tmp_path, sources):
    server = sources(lambda number: (403, {"Code": "AccessDenied"}))
    config = ("[default]\nrole_arn = arn:r\nsource_profile = default\naws_access_key_id = AKIDBASE\n"
              "aws_secret_access_key = other\n")
    refused(spawn, shop, tmp_path, bare(shop, tmp_path, config, AWS_ENDPOINT_URL_STS=server.url),
            "profile default, role arn:r: AssumeRole: denied: AccessDenied: told by the test")


def test_without_a_region_it_is_said_where_it_was_looked_for(shop, tmp_path):
    env = bare(shop, tmp_path, AWS_REGION=None, AWS_DEFAULT_REGION=None, SQS_QUEUE_URL=shop.queue_url)
    done = subprocess.run([BIN / "sluice-worker", *NOOP], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 78
    assert "no AWS region: set AWS_REGION" in done.stderr and "AWS_EC2_METADATA_DISABLED is true" in done.stderr


# ---- the supervisor ----

@pytest.mark.parametrize("source", ["container", "program"])
def test_a_supervisor_and_its_workers_find_the_same_keys(localaws, tmp_path, sources, source):
    """A program's end is the supervisor's reaper's, too: it must not take what the credentials wait for."""
    server = localaws()
    sqs = Sqs(server.url)
    queue_url = sqs.create("orders")
    keys = sources()
    shop_env = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
    if source == "container":
        shop_env.update(container(keys))
    else:
        config = tmp_path / "aws-config"
        config.write_text(f"[default]\ncredential_process = {printing_program(tmp_path)}\n")
        shop_env["AWS_CONFIG_FILE"] = str(config)
    path = write_configuration(tmp_path, configuration(tmp_path, queue_url, [BIN / "sluice-worker", *NOOP],
                                                       endpoint=server.url, minimum=1, maximum=2))
    env = harness.environment(server.url, **shop_env)
    sqs.send(queue_url, (f"m-{i}" for i in range(30)))
    process = harness.Process([BIN / "sluice", "run", "--config", path], tmp_path, env, name="supervisor")
    try:
        wait_until(lambda: sqs.counts(queue_url) == (0, 0) or not process.alive(), 120, "the queue to be empty")
        assert process.alive(), process.stderr()[-3000:]
    finally:
        code = process.stop()
    assert code == 0
    lines = [line for line in process.logs() if line.get("message") == "credentials found"]
    assert len(lines) >= 2  # the supervisor's, and each worker's
    no_secret_in(process)
    if source == "container":
        assert keys.key_requests == len(lines)
