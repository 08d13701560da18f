"""Credentials that sluice-localaws hands out itself, its signature check lets in, and its faults spoil."""
import http.client
import json
import re
import urllib.parse

import pytest

from harness import BIN, environment, wait_until
from localaws_client import Client, SqsError
from worker_harness import Shop, Worker

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TTL = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"
ROLES = "/latest/meta-data/iam/security-credentials/"
ROLE_ARN = "arn:aws:iam::123456789012:role/reader"


class Server:
    """sluice-localaws with both endpoints for credentials."""

    def __init__(self, localaws, *args):
        self.server = localaws(args=("--container-credentials", "127.0.0.1:0", "--imds", "127.0.0.1:0", *args))
        self.line = json.loads(self.server.stdout().splitlines()[0])
        self.container = self.line["container_credentials_url"]
        self.imds = self.line["imds_url"]

    def lay(self, operation, kind, **rule):
        self.server.faults("POST", {"operation": operation, "kind": kind, **rule})


def ask(url, path, method="GET", **headers):
    """Status and body of a plain request."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=30)
    try:
        connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    finally:
        connection.close()


class Session(Client):
    """A client of SQS with temporary keys; they and the token may be spoilt."""

    def __init__(self, url, keys, **changes):
        keys = {**keys, **changes}
        super().__init__(url, access_key=keys["AccessKeyId"], secret=keys["SecretAccessKey"])
        self.token = keys["Token"]

    def post(self, body, headers, path="/", host=None):
        return super().post(body, {**headers, "X-Amz-Security-Token": self.token}, path, host)


def refusal(client):
    with pytest.raises(SqsError) as e:
        client.call("ListQueues")
    return e.value.status, e.value.headers["x-amzn-query-error"]


def instance_keys(server):
    status, token = ask(server.imds, "/latest/api/token", "PUT", **{TTL: "21600"})
    assert status == 200
    status, role = ask(server.imds, ROLES, **{TOKEN: token})
    assert (status, role) == (200, "sluice-localaws")
    status, body = ask(server.imds, ROLES + role, **{TOKEN: token})
    return status, json.loads(body)


def test_keys_from_both_endpoints_are_let_in(localaws):
    server = Server(localaws)
    status, body = ask(server.container, "/credentials")
    assert status == 200
    for keys in (json.loads(body), instance_keys(server)[1]):
        assert Session(server.server.url, keys).call("ListQueues") == {}
        assert refusal(Session(server.server.url, keys, Token="other")) == (403, "InvalidClientTokenId;Sender")
        assert refusal(Session(server.server.url, keys, SecretAccessKey="other")) == (403, "SignatureDoesNotMatch;Sender")
        assert keys["SecretAccessKey"] not in server.server.stderr()
    assert ask(server.container, "/elsewhere")[0] == 404
    assert ask(server.imds, ROLES)[0] == 401  # version 1


def test_a_container_shows_its_token(localaws, tmp_path):
    path = tmp_path / "token"
    path.write_text("first\n")
    server = Server(localaws, "--container-token-file", str(path))
    assert ask(server.container, "/credentials")[0] == 401
    assert ask(server.container, "/credentials", Authorization="first")[0] == 200
    path.write_text("second")
    assert ask(server.container, "/credentials", Authorization="first")[0] == 401
    assert ask(server.container, "/credentials", Authorization="second")[0] == 200


def test_faults_of_the_endpoints(localaws):
    server = Server(localaws)
    server.lay("GetContainerCredentials", "error", status=503, count=1)
    status, body = ask(server.container, "/credentials")
    assert status == 503 and json.loads(body)["Message"] == "injected fault"
    server.lay("GetContainerCredentials", "reset", count=1)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(server.container, "/credentials")
    server.lay("GetContainerCredentials", "latency", latency_ms=20, count=1)
    good = json.loads(ask(server.container, "/credentials")[1])
    server.lay("GetContainerCredentials", "expired", count=1)
    ended = json.loads(ask(server.container, "/credentials")[1])
    assert refusal(Session(server.server.url, ended)) == (403, "ExpiredToken;Sender")
    assert json.loads(ask(server.container, "/credentials")[1]) == good
    server.lay("GetMetadataCredentials", "expired", count=1)
    assert refusal(Session(server.server.url, instance_keys(server)[1])) == (403, "ExpiredToken;Sender")
    server.lay("PutMetadataToken", "error", status=403, count=1)
    assert ask(server.imds, "/latest/api/token", "PUT", **{TTL: "60"})[0] == 403
    calls = Client(server.server.url).stats()["calls"]
    assert calls["GetContainerCredentials"] == 5 and calls["PutMetadataToken"] == 2


def test_keys_end_in_real_time(localaws):
    """A life of a second, whatever the time scale: refused once it is over, and not before new ones can be had."""
    server = Server(localaws, "--credentials-life", "1s")
    keys = json.loads(ask(server.container, "/credentials")[1])
    client = Session(server.server.url, keys)

    def ended():
        try:
            client.call("ListQueues")
        except SqsError as e:
            return e.type
        return None

    assert wait_until(ended) == "ExpiredTokenException"
    assert json.loads(ask(server.container, "/credentials")[1])["AccessKeyId"] != keys["AccessKeyId"]


def assume(url, **identity):
    sts = Client(url, service="sts", **identity)
    body = urllib.parse.urlencode({"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": ROLE_ARN, "RoleSessionName": "me"})
    status, _, text = sts.post(body.encode(), FORM)
    sts.close()
    names = {"AccessKeyId": "AccessKeyId", "SecretAccessKey": "SecretAccessKey", "SessionToken": "Token"}
    found = {ours: re.search(f"<{theirs}>(.*)</{theirs}>", text.decode()) for theirs, ours in names.items()}
    return status, {k: m.group(1) for k, m in found.items() if m}, text.decode()


def test_assumed_roles_are_let_in_and_end(localaws):
    server = localaws()
    status, keys, _ = assume(server.url)
    assert status == 200 and Session(server.url, keys).call("ListQueues") == {}
    assert assume(server.url, secret="wrong")[0] == 403
    server.faults("POST", {"operation": "AssumeRole", "kind": "expired", "count": 1})
    assert refusal(Session(server.url, assume(server.url)[1])) == (403, "ExpiredToken;Sender")
    server.faults("POST", {"operation": "AssumeRole", "kind": "error", "code": "AccessDenied", "count": 1})
    status, _, text = assume(server.url)
    assert status == 403 and "<Code>AccessDenied</Code>" in text
    server.faults("POST", {"operation": "AssumeRole", "kind": "throttle", "count": 1})
    status, _, text = assume(server.url)
    assert status == 400 and "<Code>Throttling</Code>" in text


@pytest.mark.parametrize("source", ["container", "instance"])
def test_a_worker_lives_on_what_is_handed_out(localaws, spawn, tmp_path, source):
    """The endpoint fails twice, then gives keys: the worker's own client deals with both."""
    opened = []

    def open_server(**_):
        opened.append(Server(localaws))
        return opened[0].server

    shop = Shop(open_server, tmp_path, speed=1)
    server = opened[0]
    env = shop.env(AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None, NUM_WORKERS=4,
                   **({"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{server.container}/credentials"} if source == "container"
                      else {"AWS_EC2_METADATA_DISABLED": None, "AWS_EC2_METADATA_SERVICE_ENDPOINT": server.imds}))
    if source == "container":
        server.lay("GetContainerCredentials", "error", status=500, count=1)
        server.lay("GetContainerCredentials", "reset", count=1)
    shop.send(f"m-{i}" for i in range(20))
    worker = Worker(spawn, tmp_path, shop.queue_url, env, ("--handler", "noop"))
    shop.wait_empty(worker)
    worker.wait_stats(lambda s: s["deleted"] == 20)
    worker.finish()


def test_the_endpoints_are_on_loopback_only(spawn):
    process = spawn([BIN / "sluice-localaws", "--listen", "127.0.0.1:0", "--imds", "0.0.0.0:0"], environment())
    assert process.wait() == 64
    assert "--imds 0.0.0.0:0 is not loopback" in process.stderr() and process.stdout() == ""
