"""The supervisor against a moto that checks signatures and permissions, with the documents of deploy/iam as its only ones.

moto asks for actions only: of resources it knows those of SQS and STS, of conditions none. tests/integration/test_iam_policies.py judges
both, of the calls that are recorded here, too.
"""
import json

import botocore.session
import pytest

import harness
import iam_policies as iam
from fake_credentials import Sources
from relay import Relay
from supervisor_harness import Supervisor, configuration, run_sluice, write_configuration
from test_client_moto import boto, start_moto
from worker_harness import Worker

ANYBODY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
MOTO_KNOWS_RESOURCE = {"sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility",
                       "sqs:SendMessage", "sts:AssumeRole"}
# Calls that take a running task, which moto has none of; and one that doctor cannot try without doing it.
NEED_TASKS = {"ecs:DescribeTasks", "ecs:UpdateTaskProtection"}
UNTRIED = {"cloudwatch:PutMetricData"}


def moto_names(action):
    """moto goes by the operation and the service in the signature: batches, and metrics as "monitoring", are others to it."""
    return [action, *(signed for signed, covered in iam.ACTIONS.items() if covered == action)]


def for_moto(document):
    """The document as moto can judge it."""
    return {"Version": document["Version"], "Statement": [
        {"Sid": f"S{index}x{number}", "Effect": "Allow", "Action": moto_names(action),
         "Resource": statement["Resource"] if action in MOTO_KNOWS_RESOURCE else "*"}
        for index, statement in enumerate(document["Statement"])
        for number, action in enumerate(iam.listed(statement["Action"]))]}


class Guarded:
    """A moto with a queue, a service and a table that an administrator made; a role for the supervisor, and one that may assume it."""

    def __init__(self, spawn):
        self.url = start_moto(spawn, "moto", INITIAL_NO_AUTH_ACTION_COUNT=3, MOTO_ECS_SERVICE_RUNNING=2)
        unguarded = boto("iam", self.url)
        unguarded.create_user(UserName="admin")
        unguarded.put_user_policy(UserName="admin", PolicyName="all", PolicyDocument=json.dumps(EVERYTHING))
        key = unguarded.create_access_key(UserName="admin")["AccessKey"]
        self.iam, self.sts, self.sqs, self.ecs, self.dynamodb, self.cloudwatch = (
            boto(name, self.url, key["AccessKeyId"], key["SecretAccessKey"])
            for name in ("iam", "sts", "sqs", "ecs", "dynamodb", "cloudwatch"))
        self.roles = {role: self.iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(ANYBODY))["Role"]["Arn"]
                      for role in ("sluice-supervisor", "base", "worker")}
        self.grant("supervisor")
        self.grant("assume-supervisor", role="base")
        self.grant("worker-task", role="worker")
        self.queue_url = self.sqs.create_queue(QueueName="orders")["QueueUrl"]
        self.ecs.create_cluster(clusterName="default")
        self.ecs.register_task_definition(family="worker", containerDefinitions=[{"name": "w", "image": "w", "memory": 64}])
        self.ecs.create_service(cluster="default", serviceName="orders", taskDefinition="worker", desiredCount=2)
        self.dynamodb.create_table(TableName="sluice", BillingMode="PAY_PER_REQUEST",
                                   AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                                   KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}])
        # A lease that was given back.
        self.dynamodb.put_item(TableName="sluice", Item={"id": {"S": "sale"}, "owner": {"S": ""}, "rvn": {"N": "1"},
                                                         "lease_ms": {"N": "1000"}})

    def grant(self, name, role="sluice-supervisor", without=()):
        """Makes a document, without the statements of some Sids, the role's only permissions."""
        self.iam.put_role_policy(RoleName=role, PolicyName="only",
                                 PolicyDocument=json.dumps(for_moto(iam.load(name, without))))

    def keys(self, role):
        """A session of the role, as ECS and EC2 hand them to those who run with it."""
        got = self.sts.assume_role(RoleArn=self.roles[role], RoleSessionName="task")["Credentials"]
        return {"AccessKeyId": got["AccessKeyId"], "SecretAccessKey": got["SecretAccessKey"],
                "Token": got["SessionToken"], "Expiration": got["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ")}

    def service(self):
        return self.ecs.describe_services(cluster="default", services=["orders"])["services"][0]

    def desired(self):
        return self.service()["desiredCount"]

    def wait_desired(self, count):
        harness.wait_until(lambda: self.desired() == count, timeout_s=120, what=f"a desired count of {count}")

    def send(self, count):
        for _ in range(0, count, 10):
            self.sqs.send_message_batch(QueueUrl=self.queue_url, Entries=[
                {"Id": str(i), "MessageBody": "x"} for i in range(10)])


class World:
    """Supervisors whose keys come from a container's endpoint, instance metadata or STS, behind a relay that writes their calls down."""

    def __init__(self, folder, moto):
        self.folder, self.moto = folder, moto
        self.relay = Relay("relay", moto.url, [])
        self.sources, self.started = [], []

    def environment(self, source="container", role="sluice-supervisor"):
        server = Sources(lambda _: self.moto.keys("base" if source == "role" else role))
        self.sources.append(server)
        settings = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
        if source == "instance":
            settings |= {"AWS_EC2_METADATA_DISABLED": None, "AWS_EC2_METADATA_SERVICE_ENDPOINT": server.url}
        else:
            settings["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"{server.url}/keys"
        if source == "role":
            path = self.folder / "aws-config"
            path.write_text(f"[default]\nrole_arn = {self.moto.roles['sluice-supervisor']}\n"
                            "credential_source = EcsContainer\n")
            settings["AWS_CONFIG_FILE"] = path
        return harness.environment(self.relay.url, speed=10, **settings)

    def configuration(self):
        config = configuration(self.folder, None, [], minimum=2, maximum=9, policy={"scale_in_after": "5s", "cooldown": "1s"},
                               metrics={"cloudwatch": {"namespace": "Sluice", "every": "10s"}},
                               ha={"type": "dynamodb", "table": "sluice", "key": "sale", "lease": "8s", "heartbeat": "1s"})
        config["fleets"][0]["queue"] = {"name": "orders", "poll": "1s", "cloudwatch": {"mode": "on"}}
        config["fleets"][0]["fleet"] = {"type": "ecs", "cluster": "default", "service": "orders", "describe": "1s"}
        return config

    def supervise(self, source="container"):
        self.started.append(Supervisor(self.folder, self.configuration(), self.environment(source)))
        return self.started[-1]

    def doctor(self, env):
        """What it says of permissions: action: text."""
        done = run_sluice("doctor", "--config", write_configuration(self.folder, self.configuration()), "--json", env=env)
        assert done.returncode in (0, 1), done.stderr
        return {f["name"]: f["text"] for f in json.loads(done.stdout)["findings"] if f["area"] == "permission"}

    def close(self):
        for supervisor in self.started:
            supervisor.kill()
        for server in (self.relay, *self.sources):
            server.close()


@pytest.fixture
def world(spawn, tmp_path):
    made = World(tmp_path, Guarded(spawn))
    yield made
    made.close()


@pytest.mark.parametrize("name", iam.names())
def test_every_action_is_one_of_the_services_model(name):
    session = botocore.session.get_session()
    for action in iam.actions(iam.load(name)):
        service, operation = action.split(":")
        assert operation in session.get_service_model(service).operation_names, action


@pytest.mark.parametrize("source", ["container", "instance", "role"])
def test_the_documents_are_enough_to_follow_the_queue_up_and_down(world, source):
    before = world.moto.service()
    supervisor = world.supervise(source)
    world.moto.send(700)
    world.moto.wait_desired(9)
    world.moto.sqs.purge_queue(QueueUrl=world.moto.queue_url)
    world.moto.wait_desired(2)
    after = world.moto.service()  # nothing but the desired count was written
    assert after["taskDefinition"] == before["taskDefinition"] and len(after["deployments"]) == len(before["deployments"])
    wanted = set(iam.actions(iam.load("supervisor"))) - NEED_TASKS | ({"sts:AssumeRole"} if source == "role" else set())
    harness.wait_until(lambda: wanted <= set(iam.used(world.relay.signed)), timeout_s=60, what=f"each of {sorted(wanted)}")
    assert set(iam.used(world.relay.signed)) == wanted
    status = supervisor.status()
    fleet = supervisor.fleet()
    assert (fleet["service"]["drifts"], fleet["service"]["write_error"], fleet["service"]["look_error"]) == (0, None, None)
    assert fleet["service"]["autoscaling"] == "none"
    assert fleet["sensors"]["cloudwatch"]["answers"] >= 1 and fleet["sensors"]["cloudwatch"]["last_error"] is None
    harness.wait_until(lambda: supervisor.status()["publishing"]["calls"] >= 1, what="published gauges")
    assert status["publishing"]["failures"] == 0
    gauges = {metric["MetricName"] for metric in world.moto.cloudwatch.list_metrics(Namespace="Sluice")["Metrics"]}
    assert {"Desired", "Visible"} <= gauges
    item = world.moto.dynamodb.get_item(TableName="sluice", Key={"id": {"S": "sale"}})["Item"]
    assert item["owner"]["S"]
    # What moto cannot judge.
    documents = {"Version": "", "Statement": iam.load("supervisor")["Statement"] + iam.load("assume-supervisor")["Statement"]}
    assert iam.refused(documents, world.relay.signed) == []


def test_doctor_finds_exactly_what_a_missing_statement_granted(world):
    env = world.environment()
    policy = iam.load("supervisor")
    told = world.doctor(env)
    assert set(told) == set(iam.actions(policy))
    assert [action for action, text in told.items() if text.startswith("denied")] == []
    # moto fails at tasks that are not there, and an untried call tells nothing; all others are known to be allowed.
    allowed = {action for action, text in told.items() if text.startswith("allowed")}
    assert allowed >= set(told) - NEED_TASKS - UNTRIED
    for statement in policy["Statement"]:
        world.moto.grant("supervisor", without=[statement["Sid"]])
        lost = set(iam.listed(statement["Action"])) - UNTRIED
        denied = {action: text for action, text in world.doctor(env).items() if text.startswith("denied")}
        if statement["Sid"] == "ReadQueue":
            lost.discard("sqs:GetQueueAttributes")  # without the queue's URL it cannot be tried
        assert set(denied) == lost, statement["Sid"]
        # moto answers in XML, whatever was asked in JSON.
        assert all("AccessDenied" in text for text in denied.values())


def test_an_order_that_is_denied_stays_open_until_it_is_granted(world):
    world.moto.grant("supervisor", without=["ScaleService"])
    supervisor = world.supervise()
    world.moto.send(700)
    fleet = supervisor.wait_fleet(lambda f: f["service"]["write_error"], "the refusal", timeout_s=120)
    assert "AccessDenied" in fleet["service"]["write_error"] and fleet["service"]["order_pending"]
    assert world.moto.desired() == 2
    assert len(supervisor.messages("cannot set the service's desired count, trying again")) == 1
    world.moto.grant("supervisor")
    world.moto.wait_desired(9)
    supervisor.wait_fleet(lambda f: f["service"]["write_error"] is None and f["desired"] == 9, "the order to be done with")


def test_a_worker_drains_its_queue_with_its_own_document_alone(world, spawn, tmp_path):
    dead = world.moto.sqs.create_queue(QueueName="dead")["QueueUrl"]
    other = world.moto.sqs.create_queue(QueueName="other")["QueueUrl"]
    world.moto.sqs.send_message_batch(QueueUrl=world.moto.queue_url, Entries=[
        {"Id": str(i), "MessageBody": "bad" if i == 9 else "good"} for i in range(10)])
    env = {**world.environment(role="worker"), "NUM_WORKERS": "4"}
    del env["SLUICE_TIME_SCALE"]  # moto's long polls last as long as they say
    # A first failure makes the message visible again, the second one is the last.
    args = ["--dlq-url", dead, "--max-receives", "2", "--retry-delays", "0s", "--wait-time", "1s",
            "--handler", "exec", "--", "sh", "-c", "grep -q good"]
    worker = Worker(spawn, tmp_path, world.moto.queue_url, env, args)
    last = worker.wait_stats(lambda s: s["deleted"] == 10 and s["quarantined"] == 1)
    assert last["failed"] == 2 and last["completed"] == 9
    worker.finish()
    document = iam.load("worker-task")
    assert set(iam.used(world.relay.signed)) == set(iam.actions(document)) - NEED_TASKS
    assert iam.refused(document, world.relay.signed) == []
    assert world.moto.sqs.receive_message(QueueUrl=dead)["Messages"][0]["Body"] == "bad"
    # Another queue is none of its business: that ends it as missing permission.
    astray = Worker(spawn, tmp_path, other, env, ["--handler", "noop"], name="astray")
    assert astray.process.wait(120) == 77
    assert "AccessDenied" in astray.process.stderr()
