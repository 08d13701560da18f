"""The policies of deploy/iam against what the programs really call: all of it is let pass, and nothing else is granted."""
import json
import pathlib
import re

import pytest

import harness
import iam_policies as iam
from ecs_world import QUICK, make, scaling  # noqa: F401, fixtures
from harness import wait_until
from localaws_client import Client
from relay import Relay
from supervisor_harness import ORIGIN_MS, SPEED, Supervisor, configuration
from test_supervisor_telemetry import Fleet
from test_worker_failures import Dead
from test_worker_protection import Agent
from worker_harness import Shop, Worker

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "iam.md"
TRUST = [name for name in iam.names() if name.startswith("trust-")]
PERMISSIONS = [name for name in iam.names() if name not in TRUST]


@pytest.fixture
def relay():
    made = []

    def start(url):
        made.append(Relay("relay", url, []))
        return made[-1]

    yield start
    for each in made:
        each.close()


@pytest.mark.parametrize("name", iam.names())
def test_a_document_is_a_policy_of_least_privilege(name):
    assert iam.placeholders(name) <= set(iam.VALUES)
    document = iam.load(name)
    assert set(document) == {"Version", "Statement"} and document["Version"] == "2012-10-17"
    sids = [statement["Sid"] for statement in document["Statement"]]
    assert len(set(sids)) == len(sids) and all(re.fullmatch("[A-Za-z0-9]+", sid) for sid in sids)
    assert len(set(iam.actions(document))) == len(iam.actions(document))
    assert "*" not in "".join(iam.actions(document))
    # What a role may have at most as an inline policy; without white space, as IAM counts.
    assert len(json.dumps(document, separators=(",", ":"))) < 6144
    for statement in document["Statement"]:
        assert statement["Effect"] == "Allow"
        if name in TRUST:
            assert "Resource" not in statement and statement["Action"] == "sts:AssumeRole"
            assert "*" not in json.dumps(statement["Principal"])
            continue
        assert set(statement) <= {"Sid", "Effect", "Action", "Resource", "Condition"}
        everywhere = statement["Resource"] == "*"
        assert everywhere == (set(iam.listed(statement["Action"])) <= iam.WITHOUT_RESOURCE), statement["Sid"]


def test_the_page_has_a_line_for_each_permission_and_no_other():
    rows = re.findall(r"^\| `([a-z-]+)\.json` \| `(\w+)` \| `([^|]+)` \|", PAGE.read_text(), re.MULTILINE)
    told = {(name, sid, action) for name, sid, words in rows for action in words.split("`, `")}
    granted = {(name, statement["Sid"], action) for name in PERMISSIONS for statement in iam.load(name)["Statement"]
               for action in iam.listed(statement["Action"])}
    assert told == granted
    words = PAGE.read_text()
    assert [value for value in iam.VALUES if f"`{value}`" not in words] == []
    assert [name for name in iam.names() if f"`{name}.json`" not in words] == []


def test_pulling_an_image_and_writing_logs_take_what_aws_says_they_take():
    """The actions of AWS's own AmazonECSTaskExecutionRolePolicy, which nothing here calls: ECS does."""
    assert iam.actions(iam.load("execution")) == [
        "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetAuthorizationToken",
        "ecr:GetDownloadUrlForLayer", "logs:CreateLogStream", "logs:PutLogEvents"]


def create_table(url):
    client = Client(url, service="dynamodb")
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.CreateTable"}
    body = {"TableName": "sluice", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}
    assert client.post(json.dumps(body).encode(), headers)[0] == 200
    client.close()


def everything(shop):
    """A configuration that makes the supervisor call whatever it can call."""
    world = shop.world
    config = configuration(world.folder, None, [], minimum=2, maximum=8, policy=QUICK,
                           metrics={"cloudwatch": {"namespace": "Sluice", "every": "10s"}},
                           ha={"type": "dynamodb", "table": "sluice", "key": "sale", "lease": "8s", "heartbeat": "1s"},
                           telemetry={"listen": "127.0.0.1:0", "token_file": str(shop.token)})
    one = config["fleets"][0]
    one["queue"] = {"name": "orders", "poll": "1s", "cloudwatch": {"mode": "on"}}
    one["fleet"] = {"type": "ecs", "cluster": "default", "service": "orders", "describe": "2s"}
    return config


def test_the_supervisor_needs_each_line_and_no_more(make, relay, tmp_path):  # noqa: F811
    shop = Fleet(make(tasks="run", latency="100ms"), tmp_path)
    server = relay(shop.world.server.url)
    create_table(shop.world.server.url)
    shop.hold(8)
    shop.send_held(3)
    env = harness.environment(server.url, speed=SPEED, origin_ms=ORIGIN_MS)
    supervisor = Supervisor(tmp_path, everything(shop), env)
    shop.world.started.append(supervisor)
    try:
        # Only a leader listens.
        shop.relay.port = wait_until(lambda: (supervisor.status().get("telemetry") or {}).get("port"), 60, "the lease")
        policy = iam.load("supervisor")
        for action in iam.actions(policy):
            wait_until(lambda wanted=action: wanted in iam.used(server.signed), timeout_s=120, what=action)
        shop.release()
        shop.world.wait_desired(2)
        assert iam.used(server.signed) == iam.actions(policy)
        assert iam.refused(policy, server.signed) == []
        # The judge is no rubber stamp: other names are not covered, nor what a missing statement granted.
        for change in ({"SLUICE_QUEUE": "other"}, {"SLUICE_CLUSTER": "other"}, {"SLUICE_SERVICE": "other"},
                       {"SLUICE_LEASE_TABLE": "other"}, {"SLUICE_METRICS_NAMESPACE": "other"}):
            assert iam.refused(iam.load("supervisor", **change), server.signed), change
        for statement in policy["Statement"]:
            lost = iam.refused(iam.load("supervisor", without=[statement["Sid"]]), server.signed)
            assert {json.loads(text)[0] for text in lost} == set(iam.listed(statement["Action"]))
    finally:
        shop.go.touch()
        shop.relay.close()


def test_a_worker_needs_each_line_and_no_more(spawn, localaws, relay, tmp_path):
    """What it asks of ECS goes through the container's agent, which asks with the task's role."""
    shop, agent = Shop(localaws, tmp_path, speed=10), Agent()
    server, dead = relay(shop.server.url), Dead(shop)
    go = tmp_path / "go"
    # The first messages wait, so that protection is asked for and leases are extended; the last ones fail.
    handler = f'until [ -e "{go}" ]; do sleep 0.05; done; grep -q good'
    shop.sqs.send(shop.queue_url, ["good", "good", "bad"])
    try:
        worker = Worker(spawn, tmp_path, shop.queue_url,
                        shop.env(AWS_ENDPOINT_URL=server.url, ECS_AGENT_URI=agent.uri, NUM_WORKERS=5),
                        [*dead.args("--max-receives", "1"), "--handler", "exec", "--", "sh", "-c", handler])
        wait_until(lambda: agent.calls, what="a call for protection")
        wait_until(lambda: "sqs:ChangeMessageVisibility" in iam.used(server.signed), timeout_s=60, what="an extension")
        go.touch()
        worker.wait_stats(lambda s: s["deleted"] >= 2 and s["quarantined"] == 1)
        worker.finish()
        calls = [*server.signed, ("ecs", "UpdateTaskProtection", {"cluster": "default", "tasks": ["by-the-agent"]})]
        policy = iam.load("worker-task")
        assert iam.used(calls) == iam.actions(policy)
        assert iam.refused(policy, calls) == []
        for name in ("SLUICE_QUEUE", "SLUICE_DEAD_LETTER_QUEUE", "SLUICE_CLUSTER"):
            assert iam.refused(iam.load("worker-task", **{name: "other"}), calls), name
        assert {path.rsplit("/", 3)[1:] == ["task-protection", "v1", "state"] for path, _, _ in agent.calls} == {True}
    finally:
        agent.close()
