"""Traps of the real AWS (docs/aws-traps.md) that no other test lays: each is a scene of a sale that must end well."""
import json
import pathlib
import re

import pytest

import harness
from ecs_world import QUICK, make, scaling  # noqa: F401, fixtures
from harness import BIN, wait_until
from localaws_client import Client
from relay import Relay
from supervisor_harness import ORIGIN_MS, SPEED, Supervisor
from worker_harness import ledger, order

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PATIENT = {"scale_in_after": "5s", "scale_in_cooldown": "30s", "scale_out_cooldown": "2s"}


@pytest.fixture
def relay():
    made = []

    def start(url):
        made.append(Relay("relay", url, []))
        return made[-1]

    yield start
    for each in made:
        each.close()


def supervise(world, endpoint=None, settings=None, **fleet):
    """A supervisor behind another endpoint, or with other settings in its environment."""
    env = harness.environment(endpoint or world.server.url, speed=SPEED, origin_ms=ORIGIN_MS, **(settings or {}))
    supervisor = Supervisor(world.folder, world.configuration(**fleet), env)
    world.started.append(supervisor)
    return supervisor


def writes(relay):  # noqa: F811
    return [body["desiredCount"] for _, operation, body in relay.log if operation == "UpdateService"]


def whys(supervisor):
    return {line["why"] for line in supervisor.journal() if "why" in line}


def changes(supervisor):
    return [(line["from"], line["to"]) for line in supervisor.messages("decision")]


# ---- signing and clock ----

@pytest.mark.parametrize("ahead_s", [600, -600])
def test_a_clock_that_is_wrong_from_the_start_and_jumps_in_mid_sale_stops_nothing(make, relay, ahead_s):  # noqa: F811
    """SQS says 403 SignatureDoesNotMatch, ECS 400 InvalidSignatureException: the code counts, not the status."""
    world = make()
    world.create(2)
    server = relay(world.server.url)
    server.ahead_s = ahead_s
    supervisor = supervise(world, server.url)
    supervisor.wait_ready(2)
    at_start = len(server.out_of_time)
    assert 1 <= at_start <= 4  # each was asked once too often at most, and after that every signature was right
    server.ahead_s = -ahead_s
    world.send(700)
    world.wait_desired(20)
    supervisor.wait_ready(20)
    fleet = supervisor.fleet()
    assert fleet["service"]["look_error"] is None and fleet["service"]["write_failures"] == 0
    assert 1 <= len(server.out_of_time) - at_start <= 4
    assert fleet["service"]["drifts"] == 0


# ---- credentials ----

def container(world):
    url = json.loads(world.server.stdout().splitlines()[0])["container_credentials_url"]
    return {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/credentials"}


def key_calls(world):
    client = Client(world.server.url)
    calls = client.stats()["calls"].get("GetContainerCredentials", 0)
    client.close()
    return calls


def test_keys_that_have_ended_when_they_come_are_replaced_by_one_forced_fetch(make):  # noqa: F811
    world = make(args=("--container-credentials", "127.0.0.1:0"))
    world.create(2)
    world.server.faults("POST", {"operation": "GetContainerCredentials", "kind": "expired", "count": 1})
    supervisor = supervise(world, settings=container(world))
    supervisor.wait_ready(2)
    world.send(700)
    world.wait_desired(20)
    assert key_calls(world) == 2
    fleet = supervisor.fleet()
    assert fleet["service"]["look_error"] is None and fleet["service"]["write_failures"] == 0


def test_an_endpoint_that_is_down_until_the_keys_have_ended_holds_the_fleet_and_no_longer(make):  # noqa: F811
    """Renewals fail, the old keys are used until AWS refuses them; then nothing is known, and nothing is taken away."""
    world = make(args=("--container-credentials", "127.0.0.1:0", "--credentials-life", "10s"))
    world.create(6)
    supervisor = supervise(world, settings=container(world))
    supervisor.wait_ready(6)
    world.server.faults("POST", {"operation": "GetContainerCredentials", "kind": "reset"})
    wait_until(lambda: supervisor.messages("credentials not renewed, the old ones stay in use"), timeout_s=60,
               what="a renewal that fails")
    fleet = supervisor.wait_fleet(lambda f: f["service"]["look_error"], "keys that are refused")
    before = fleet["desired"]
    assert 2 <= before <= 6
    wait_until(lambda: whys(supervisor) & {"visible_stale", "visible_unknown"}, timeout_s=60, what="a held fleet")
    seen = len(changes(supervisor))
    decisions = supervisor.fleet()["decisions"]
    supervisor.wait_fleet(lambda f: f["decisions"] > decisions + 20, "further decisions")
    assert len(changes(supervisor)) == seen and world.desired() == before
    world.send(700)
    world.server.faults("DELETE")
    world.wait_desired(20)
    assert supervisor.fleet()["service"]["drifts"] == 0
    for text in (supervisor.stderr(), json.dumps(supervisor.status())):
        assert harness.SECRET_KEY not in text


# ---- the queue's numbers ----

def test_messages_in_flight_keep_their_workers_although_nothing_is_visible(make):  # noqa: F811
    world = make()
    world.create(8)
    world.send(10)
    supervisor = world.supervise()
    supervisor.wait_ready(8)
    handles = []
    while len(handles) < 10:
        got = world.sqs.call("ReceiveMessage", QueueUrl=world.queue_url, MaxNumberOfMessages=10, VisibilityTimeout=43200)
        handles += [message["ReceiptHandle"] for message in got["Messages"]]
    wait_until(lambda: "busy" in whys(supervisor), timeout_s=60, what="a shrink that is held for the busy")
    assert world.desired() == 8 and changes(supervisor) == []
    for handle in handles:
        world.sqs.call("DeleteMessage", QueueUrl=world.queue_url, ReceiptHandle=handle)
    world.wait_desired(2)


# ---- ECS ----

def test_a_minute_of_throttled_looks_is_not_hammered_and_grows_but_never_shrinks(make, relay):  # noqa: F811
    world = make()
    world.create(2)
    server = relay(world.server.url)
    supervisor = supervise(world, server.url)
    supervisor.wait_ready(2)
    world.server.faults("POST", {"operation": "DescribeServices", "kind": "throttle"})
    asked = sum(operation == "DescribeServices" for _, operation, _ in server.log)
    until_ms = supervisor.status()["now_ms"] + 60000
    world.send(700)
    supervisor.wait_fleet(lambda f: f["desired"] == 20 and f["service"]["writes"] >= 1, "growth")
    world.sqs.purge(world.queue_url)
    wait_until(lambda: "fleet_unknown" in whys(supervisor), timeout_s=60, what="a shrink that is held")
    wait_until(lambda: supervisor.status()["now_ms"] > until_ms, timeout_s=120, what="the minute to be over")
    fleet = supervisor.fleet()
    looks = (supervisor.status()["now_ms"] - until_ms + 60000) / 2000
    assert sum(operation == "DescribeServices" for _, operation, _ in server.log) - asked < looks
    assert fleet["desired"] == 20 and all(to > start for start, to in changes(supervisor))
    assert writes(server) == sorted(writes(server))
    world.server.faults("DELETE")
    world.wait_desired(2)
    assert supervisor.fleet()["service"]["drifts"] == 0


def test_the_desired_count_moves_on_while_a_write_is_under_way(make, relay):  # noqa: F811
    world = make()
    world.create(2)
    server = relay(world.server.url)
    supervisor = supervise(world, server.url, policy={**QUICK, "steps": [{"above": 20, "add": 1}, {"above": 600, "to": "max"}]})
    supervisor.wait_ready(2)
    waits = server.hold("UpdateService")
    world.send(30)
    assert waits.wait(60)
    world.send(700)
    supervisor.wait_fleet(lambda f: f["desired"] == 20, "the second order")
    assert writes(server) == [3]  # one at a time
    server.release()
    world.wait_desired(20)
    supervisor.wait_fleet(lambda f: not f["service"]["order_pending"], "the order to be done with")
    assert writes(server) == [3, 20] and supervisor.fleet()["service"]["drifts"] == 0


def test_terraform_resets_the_count_in_mid_sale_and_every_order_is_paid_once(make):  # noqa: F811
    world = make(tasks="run", latency="1s")
    world.create(2, command=[BIN / "sluice-worker", "--ledger", world.folder / "ledger"],
                 environment={"SQS_QUEUE_URL": world.queue_url, "NUM_WORKERS": "5", "PAYMENT_TIME": "3s"})
    policy = {"scale_in_after": "1h", "cooldown": "5s", "steps": [{"above": 20, "to": "max"}]}
    supervisor = world.supervise(maximum=6, policy=policy)
    supervisor.wait_ready(2)

    def sell(first, count):
        world.sqs.send(world.queue_url, [order(f"o-{i}") for i in range(first, first + count)])

    sell(0, 200)
    world.wait_desired(6)
    wait_until(lambda: len(ledger(world.folder)) > 10, timeout_s=60, what="payments")
    world.set_desired(2)  # "terraform apply" without ignore_changes
    told = "somebody else has set the service's desired count"
    wait_until(lambda: supervisor.messages(told), what="the drift")
    sell(200, 400)
    world.wait_desired(6)
    wait_until(lambda: len(ledger(world.folder)) >= 600 and world.sqs.counts(world.queue_url) == (0, 0), timeout_s=240,
               what="all orders to be paid")
    assert sorted(p.order_id for p in ledger(world.folder)) == sorted(f"o-{i}" for i in range(600))
    assert [(line["from"], line["to"]) for line in supervisor.messages(told)] == [(6, 2)]


def test_a_deployment_in_the_middle_of_a_scale_in_stops_it_until_it_is_done(make):  # noqa: F811
    world = make(latency="20s")
    world.create(20)
    world.ecs.wait(lambda s: [d["rolloutState"] for d in s["deployments"]] == ["COMPLETED"], what="the first deployment")
    supervisor = world.supervise(policy=PATIENT)

    def scenes():
        """The decisions, the numbers of those that took something away, and of those that a rollout held."""
        records = [r for r in supervisor.journal() if "why" in r]
        return (records, [i for i, r in enumerate(records) if r["to"] < r["from"]],
                [i for i, r in enumerate(records) if r["why"] == "rollout"])

    wait_until(lambda: scenes()[1], timeout_s=120, what="the first step")
    world.ecs.call("UpdateService", service="orders", forceNewDeployment=True)
    wait_until(lambda: scenes()[2], timeout_s=120, what="a held step")

    def went_on():
        _, steps, held = scenes()
        return steps[-1] > held[-1]

    wait_until(went_on, timeout_s=240, what="the next step")
    assert [d["rolloutState"] for d in world.ecs.service()["deployments"]] == ["COMPLETED"]
    records, steps, held = scenes()
    assert steps[0] < held[0] and not [i for i in steps if held[0] < i < held[-1]]
    assert records[min(i for i in steps if i > held[-1])]["obs"]["scale_in_hold"]["value"] == 0
    assert supervisor.fleet()["service"]["drifts"] == 0


STUBBORN = 'trap \'until [ -e "$GO" ]; do sleep 0.05; done; exit 0\' TERM; while :; do sleep 0.05; done'


def test_tasks_that_stop_are_no_capacity_and_stay_in_the_account_until_they_have_ended(make):  # noqa: F811
    """ECS's runningCount forgets them as soon as they were told to stop."""
    world = make(tasks="run", latency="100ms")
    go = world.folder / "go"
    world.ecs.register(["sh", "-c", STUBBORN], stop_timeout=3600, environment={"GO": go})
    world.ecs.call("CreateService", serviceName="orders", taskDefinition="worker", desiredCount=4)
    world.ecs.wait_running(4)
    try:
        supervisor = world.supervise()
        fleet = supervisor.wait_fleet(lambda f: f["stopping"] == 2, "two tasks that stop", timeout_s=120)
        assert fleet["desired"] == 2 and fleet["service"]["running_count"] == 2
    finally:
        go.touch()
    supervisor.wait_fleet(lambda f: f["stopping"] == 0 and f["ready"] == 2, "them to have ended")


def test_a_service_of_a_capacity_provider_is_scaled_like_any_other(make):  # noqa: F811
    """Such a service has no launchType."""
    world = make()
    world.create(2, capacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}])
    assert "launchType" not in world.ecs.service()
    supervisor = world.supervise()
    world.send(700)
    world.wait_desired(20)
    assert supervisor.fleet()["service"]["look_error"] is None


# ---- the page ----

def test_the_page_names_tests_and_files_that_exist():
    page = (REPOSITORY / "docs" / "aws-traps.md").read_text()
    rows = [line.strip("|").split("|") for line in page.splitlines() if line.startswith("| ") and "| guard |" not in line]
    assert len(rows) > 70 and {len(row) for row in rows} == {3}
    sources = [path.read_text() for path in (REPOSITORY / "tests").rglob("test_*") if path.suffix in (".c", ".py")]
    there = set(re.findall(r"^(?:START_TEST\(|def )(\w+)", "\n".join(sources), re.MULTILINE))
    for trap, guard, tests in rows:
        named = re.findall(r"`(\w+)`", tests)
        assert named and set(named) <= there, f"{trap}: {set(named) - there}"
        paths = [word for word in re.findall(r"`([\w./-]+)`", guard) if "/" in word or word.endswith(".md")]
        assert paths and all((REPOSITORY / path).is_file() for path in paths), f"{trap}: {paths}"
    ours = set(re.findall(r"^def (test_\w+)", pathlib.Path(__file__).read_text(), re.MULTILINE))
    assert ours - set(re.findall(r"`(\w+)`", page)) == {"test_the_page_names_tests_and_files_that_exist"}
