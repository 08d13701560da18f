"""Two supervisors of the same fleets, against sluice-localaws: who leads, how the other one takes over, and that never two
of them write."""
import json
import pathlib
import signal
import socket
import time

import pytest

import harness
from ecs_client import Ecs
from harness import BIN, wait_until
from localaws_client import Client
from relay import Relay
from supervisor_harness import ORIGIN_MS, SPEED, Sqs, Supervisor, configuration, run_sluice, scripted
from worker_harness import ledger, order

QUICK = {"scale_in_after": "5s", "cooldown": "2s"}
# Real time. Long enough for a busy machine: a leader whose renewals take longer than three quarters of it would step down.
LEASE = {"lease": "8s", "heartbeat": "1s"}
KEY = "sale"


class Dynamo(Client):
    """The table of leases, seen by a third party."""

    def __init__(self, url):
        super().__init__(url, service="dynamodb")

    def call(self, operation, **members):
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"DynamoDB_20120810.{operation}"}
        status, _, data = self.post(json.dumps(members).encode(), headers)
        answer = json.loads(data)
        assert status == 200, answer
        return answer

    def create(self):
        self.call("CreateTable", TableName="sluice", BillingMode="PAY_PER_REQUEST",
                  AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                  KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}])
        # A lease that somebody gave back: the first supervisor need not wait for a whole one.
        self.call("PutItem", TableName="sluice",
                  Item={"id": {"S": KEY}, "owner": {"S": ""}, "rvn": {"N": "1"}, "lease_ms": {"N": "1000"}})

    def item(self, key=KEY):
        item = self.call("GetItem", TableName="sluice", Key={"id": {"S": key}}, ConsistentRead=True).get("Item", {})
        return {name: int(value["N"]) if "N" in value else value["S"] for name, value in item.items()}

    def kept(self, fleet="orders"):
        """The shared state of a fleet."""
        return json.loads(self.item(f"{KEY}/fleet/{fleet}")["state"])

    def set_fence(self, fence, fleet="orders"):
        self.call("UpdateItem", TableName="sluice", Key={"id": {"S": f"{KEY}/fleet/{fleet}"}},
                  UpdateExpression="SET #f = :f", ExpressionAttributeNames={"#f": "fence"},
                  ExpressionAttributeValues={":f": {"N": str(fence)}})


class Pair:
    """Supervisors called a, b ... on one ECS service, or with workers of their own hosts, each behind a relay."""

    def __init__(self, folder, localaws, origin_ms=ORIGIN_MS, tasks="pretend"):
        self.folder, self.origin_ms = folder, origin_ms
        self.server = localaws(speed=SPEED, origin_ms=origin_ms, args=("--ecs-tasks", tasks, "--ecs-start-latency", "2s"))
        self.sqs, self.ecs, self.dynamo = Sqs(self.server.url), Ecs(self.server.url), Dynamo(self.server.url)
        self.queue_url = self.sqs.create("orders")
        self.dynamo.create()
        self.log, self.relays, self.supervisors = [], {}, {}

    def create(self, desired=2, command=("none",), environment=None):
        self.ecs.register(command, environment=environment)
        self.ecs.call("CreateService", serviceName="orders", taskDefinition="worker", desiredCount=desired)

    def supervise(self, name, command=None, minimum=2, maximum=20, ha=None, state="", policy=None,
                  telemetry=None):
        folder = pathlib.Path(self.folder) / (state or name)
        folder.mkdir(exist_ok=True)
        self.relays[name] = Relay(name, self.server.url, self.log)
        config = configuration(folder, self.queue_url, command or [], endpoint=self.relays[name].url, minimum=minimum,
                               maximum=maximum, policy=policy or QUICK,
                               ha=ha or {"type": "dynamodb", "table": "sluice", "key": KEY, "save": "1s", **LEASE})
        if telemetry is not None:
            config["telemetry"] = telemetry
        if command is None:
            config["fleets"][0]["fleet"] = {"type": "ecs", "cluster": "default", "service": "orders", "describe": "2s"}
        env = harness.environment(self.relays[name].url, speed=SPEED, origin_ms=self.origin_ms)
        supervisor = Waiting if state else Supervisor
        self.supervisors[name] = supervisor(folder, config, env, name=name)
        return self.supervisors[name]

    def writes(self, start=0):
        """(who, desired count) of each UpdateService."""
        return [(name, body["desiredCount"]) for name, operation, body in self.log[start:] if operation == "UpdateService"]

    def send(self, count):
        self.sqs.send(self.queue_url, ["x"] * count)

    def wait_desired(self, count):
        return self.ecs.wait(lambda s: s["desiredCount"] == count, what=f"a desired count of {count}")

    def close(self):
        for supervisor in self.supervisors.values():
            supervisor.kill()
        for relay in self.relays.values():
            relay.close()
        self.ecs.close()
        self.dynamo.close()
        for supervisor in self.supervisors.values():
            text = supervisor.stderr()
            assert "Sanitizer" not in text and "runtime error:" not in text, text[-8000:]


class Waiting(Supervisor):
    """One that waits for the lock of another's folder answers beside it."""

    def try_status(self):
        status = super().try_status()
        if status and status["pid"] == self.popen.pid:
            return status
        own, self.socket = self.socket, self.state_dir / "admin.sock.follower"
        try:
            return super().try_status()
        finally:
            self.socket = own


@pytest.fixture
def pair(tmp_path, localaws):
    pairs = []

    def start(**options):
        pairs.append(Pair(tmp_path, localaws, **options))
        return pairs[-1]

    yield start
    for each in pairs:
        each.close()


def wait_role(supervisor, role, timeout_s=60):
    return wait_until(lambda: (s := supervisor.status())["role"] == role and s, timeout_s, f"a {role}")


def led(supervisor):
    return supervisor.messages("this supervisor leads")


def order_scale(supervisor):
    """HTTP status of an operator's order."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(60)
        stream.connect(str(supervisor.socket))
        body = b'{"desired":5,"for":"1h","reason":"test"}'
        stream.sendall(b"POST /v1/fleets/orders/scale HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                       b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        return int(stream.makefile("rb").readline().split()[1])


def one_after_the_other(writes):
    """Whether nobody wrote again after another one had."""
    owners = [owner for owner, _ in writes]
    return all(owners[i] == owners[i - 1] or owners[i] not in owners[:i] for i in range(1, len(owners)))


def test_a_leader_killed_in_mid_sale_is_replaced_and_no_order_is_lost(pair, tmp_path, capsys):
    shop = pair(origin_ms=int(time.time() * 1000), tasks="run")
    shop.create(1, [BIN / "sluice-worker", "--ledger", tmp_path / "ledger"],
                {"SQS_QUEUE_URL": shop.queue_url, "NUM_WORKERS": harness.threads(20), "PAYMENT_TIME": "3s"})
    sale = {"minimum": 1, "maximum": 4, "policy": {**QUICK, "cooldown": "10m", "scale_in_after": "10m"}}
    both = [shop.supervise(name, **sale) for name in "ab"]
    sent = {f"o-{i}" for i in range(700)}
    shop.sqs.send(shop.queue_url, [order(i) for i in sorted(sent)])
    shop.wait_desired(4)
    # What the next leader needs is in the table as soon as the service knows of it.
    wait_until(lambda: shop.dynamo.kept()["desired"] == 4, what="the shared state")
    wait_until(lambda: ledger(tmp_path), what="the first payment")
    dead = wait_until(lambda: next((s for s in both if s.status()["role"] == "leader"), None), what="a leader")
    heir = both[1 - both.index(dead)]
    taken = len(led(heir))
    dead.kill()
    killed = time.monotonic()
    kept, before = shop.dynamo.kept(), len(shop.log)
    wait_until(lambda: len(led(heir)) > taken, 60, "the takeover")
    took = time.monotonic() - killed
    with capsys.disabled():
        print(f" [takeover after kill -9: {took:.1f} s with a lease of {LEASE['lease']}] ", end="")
    fleet = heir.wait_fleet(lambda f: f["decisions"] > 3, "decisions of the new leader")
    assert fleet["desired"] == 4
    config = [line for line in heir.journal() if "config" in line][-1]
    for timer in ("scale_out_until_ms", "scale_out_rank", "scale_in_until_ms"):
        assert config["state"][timer] == kept["controller"][timer], timer
    assert config["state"]["scale_out_until_ms"] > config["t_ms"]  # the cooldown of the dead one still holds
    wait_until(lambda: shop.sqs.counts(shop.queue_url) == (0, 0), 240, "the queue to be empty")
    wait_until(lambda: len(ledger(tmp_path)) >= len(sent), what="the last payments")
    assert sorted(p.order_id for p in ledger(tmp_path)) == sorted(sent)
    assert shop.writes(before) == []  # four were ordered already
    orders = [desired for _, desired in shop.writes()]
    assert orders == sorted(set(orders)) and orders[-1] == 4  # a poll amid the sends may have seen the first few


def test_only_the_leader_listens_for_telemetry(pair):
    shop = pair()
    shop.create(2)
    both = [shop.supervise(name, telemetry={"listen": "127.0.0.1:0"}) for name in "ab"]
    first = wait_until(lambda: next((s for s in both if s.status()["role"] == "leader"), None), what="a leader")
    second = both[1 - both.index(first)]
    port = wait_until(lambda: first.status()["telemetry"], what="the leader to listen")["port"]
    assert second.status()["telemetry"] is None
    shop.relays[first.name].throttled = "DynamoDB_"
    wait_until(lambda: second.status()["telemetry"], 60, "the new leader to listen")
    wait_role(first, "follower")
    wait_until(lambda: first.status()["telemetry"] is None, what="the old one to stop")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 30)


def test_an_address_that_was_taken_is_listened_on_when_it_is_free(pair):
    shop = pair()
    shop.create(2)
    with socket.create_server(("127.0.0.1", 0)) as taken:  # as that of a former leader of this host, which stands still
        port = taken.getsockname()[1]
        a = shop.supervise("a", telemetry={"listen": f"127.0.0.1:{port}"})
        wait_until(lambda: a.messages("cannot listen for telemetry, trying again"), 60, "the first try")
        assert a.status()["telemetry"] is None
    assert wait_until(lambda: a.status()["telemetry"], what="the leader to listen")["port"] == port


def test_a_leader_that_stood_still_does_not_write_what_it_had_decided(pair):
    shop = pair()
    shop.create(2)
    a = shop.supervise("a")
    wait_role(a, "leader")
    a.wait_ready(2)
    b = shop.supervise("b")
    wait_role(b, "follower")
    waits = shop.relays["a"].hold("DescribeServices")
    wait_until(waits.is_set, what="a look of the leader that is under way")
    shop.send(700)
    wait_until(lambda: a.messages("decision"), what="the decision to grow, which waits for a look")
    wait_until(lambda: shop.dynamo.kept()["desired"] == 20, what="the shared state")
    a.signal(signal.SIGSTOP)
    wait_until(lambda: led(b), 60, "the takeover")
    shop.wait_desired(20)
    seen = len(shop.log)
    shop.relays["a"].release()  # its next step would be UpdateService
    a.signal(signal.SIGCONT)
    wait_until(lambda: a.messages("this supervisor does not lead any more"), what="the old leader to see it")
    wait_role(a, "follower")
    renewals = wait_role(b, "leader")["ha"]["renewals"]
    wait_until(lambda: b.status()["ha"]["renewals"] > renewals + 2, what="further renewals")
    assert [write for write in shop.writes() if write[0] == "a"] == []
    assert {owner for owner, _ in shop.writes(seen)} <= {"b"}
    assert led(b)[0]["token"] > led(a)[0]["token"]


def test_a_leader_without_the_table_drains_its_workers_and_comes_back(pair):
    shop = pair()
    a = shop.supervise("a", command=scripted())
    a.wait_ready(2)
    pids = a.pids()
    first = a.status()
    assert first["role"] == "leader"
    shop.relays["a"].throttled = "DynamoDB_"
    status = wait_role(a, "follower")
    assert status["ha"]["last_error"] and "ProvisionedThroughputExceeded" in status["ha"]["last_error"]
    wait_until(lambda: len(a.status()["fleets"][0]["workers"]) == 0, what="all workers to leave")
    assert a.status()["ha"]["losses"] > first["ha"]["losses"]
    shop.relays["a"].throttled = ""
    shop.relays["a"].dropped = "DynamoDB_"
    errors = a.status()["ha"]["failures"]
    wait_until(lambda: a.status()["ha"]["failures"] > errors + 1, what="further failures")
    assert a.status()["role"] == "follower"
    shop.relays["a"].dropped = ""
    a.wait_ready(2)
    again = wait_role(a, "leader")
    assert again["ha"]["token"] > first["ha"]["token"] and not set(a.pids()) & set(pids)
    assert a.messages("restored the saved state")


def test_a_clean_stop_hands_over_at_once_and_a_follower_takes_no_orders(pair):
    shop = pair()
    shop.create(2)
    # Nobody would wait that long.
    patient = {"type": "dynamodb", "table": "sluice", "key": KEY, "lease": "10m", "heartbeat": "3s", "save": "1s"}
    a = shop.supervise("a", ha=patient)
    wait_role(a, "leader")
    b = shop.supervise("b", ha=patient)
    wait_role(b, "follower")
    shop.send(700)
    shop.wait_desired(20)
    wait_until(lambda: b.status()["ha"]["holder"] == a.status()["ha"]["owner"], what="the follower to see the leader")
    assert [(n, o) for n, o, _ in shop.log if n == "b" and "Item" not in o] == []  # it looks at the lease, and at no more
    assert f", {a.status()['ha']['owner']} leads\n" in run_sluice("status", "--socket", b.socket, env=b.env).stdout
    assert order_scale(b) == 409 and b.fleet()["override"] is None
    a.signal(signal.SIGTERM)
    assert a.wait() == 0
    stopped = len(shop.log)
    wait_role(b, "leader")
    assert b.wait_fleet(lambda f: f["decisions"] > 2, "decisions")["desired"] == 20
    assert {owner for owner, _ in shop.writes(stopped)} <= {"b"} and one_after_the_other(shop.writes())
    b.signal(signal.SIGTERM)
    assert b.wait() == 0
    assert shop.dynamo.item()["owner"] == ""


def test_a_leader_whose_state_is_fenced_stops_and_rises_above_the_fence(pair):
    shop = pair()
    shop.create(2)
    a = shop.supervise("a")
    a.wait_ready(2)
    token = a.status()["ha"]["token"]
    shop.dynamo.set_fence(token + 1000)
    wait_until(lambda: a.messages("this supervisor does not lead any more"), what="the leader to see the fence")
    status = wait_until(lambda: (s := a.status())["ha"]["token"] > token + 1000 and s, 60, "a higher token")
    assert status["ha"]["fenced"] >= 1 and "fenced" in status["ha"]["last_loss"]
    a.wait_ready(2)


def test_of_two_on_one_host_one_waits_for_the_lock(pair):
    shop = pair()
    shop.create(2)
    lock = {"type": "lock_file", "heartbeat": "200ms"}
    a = shop.supervise("a", ha=lock, state="host")
    a.wait_ready(2)
    b = shop.supervise("b", ha=lock, state="host")
    status = wait_role(b, "follower")
    assert status["ha"] == {"type": "lock_file", "holder_pid": a.popen.pid}
    words = run_sluice("status", "--socket", b.state_dir / "admin.sock.follower", env=b.env).stdout
    assert f", pid {a.popen.pid} leads\n" in words and "starting: " not in words
    b.signal(signal.SIGTERM)
    assert b.wait() == 0
    b = shop.supervise("b", ha=lock, state="host")
    wait_role(b, "follower")
    shop.send(700)
    shop.wait_desired(20)
    wait_until(lambda: json.loads((a.state_dir / "orders.state.json").read_text())["desired"] == 20, what="the state")
    a.kill()
    before = len(shop.log)
    wait_role(b, "leader")
    assert b.wait_fleet(lambda f: f["decisions"] > 2, "decisions")["desired"] == 20
    assert not (b.state_dir / "admin.sock.follower").exists()
    assert {owner for owner, _ in shop.writes(before)} <= {"b"}


def test_a_leader_whose_lock_file_is_gone_does_not_write_what_it_had_decided(pair):
    shop = pair()
    shop.create(2)
    lock = {"type": "lock_file", "heartbeat": "200ms"}
    a = shop.supervise("a", ha=lock, state="host")
    a.wait_ready(2)
    b = shop.supervise("b", ha=lock, state="host")
    wait_role(b, "follower")
    waits = shop.relays["a"].hold("DescribeServices")
    wait_until(waits.is_set, what="a look of the leader that is under way")
    shop.send(700)
    wait_until(lambda: a.messages("decision"), what="the decision to grow, which waits for a look")
    a.signal(signal.SIGSTOP)
    (a.state_dir / "lock").unlink()  # somebody cleans up: the other one can have a lock of that name
    wait_until(lambda: led(b), 60, "the takeover")
    shop.relays["a"].release()  # its next step would be UpdateService
    a.signal(signal.SIGCONT)
    assert a.wait() == 75
    assert [write for write in shop.writes() if write[0] == "a"] == []
    shop.wait_desired(20)
