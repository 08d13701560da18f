"""The supervisor against moto: Application Auto Scaling is seen, a lease is held. That a service follows its queue is in test_iam_moto.py."""

import json
import signal
import subprocess

import pytest

import harness
from supervisor_harness import Supervisor, configuration
from test_client_moto import boto, start_moto

CLUSTER, SERVICE = "sale", "workers"


class Moto:
    def __init__(self, url):
        self.url = url
        self.sqs, self.ecs, self.scaling = (boto(name, url) for name in ("sqs", "ecs", "application-autoscaling"))
        self.queue_url = self.sqs.create_queue(QueueName="orders")["QueueUrl"]
        self.ecs.create_cluster(clusterName=CLUSTER)
        self.ecs.register_task_definition(family="worker",
                                          containerDefinitions=[{"name": "w", "image": "w", "memory": 64}])
        self.ecs.create_service(cluster=CLUSTER, serviceName=SERVICE, taskDefinition="worker", desiredCount=2)

    def service(self):
        return self.ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]

    def send(self, count):
        for _ in range(0, count, 10):
            self.sqs.send_message_batch(QueueUrl=self.queue_url, Entries=[
                {"Id": str(i), "MessageBody": "x"} for i in range(10)])

    def wait_desired(self, count):
        harness.wait_until(lambda: self.service()["desiredCount"] == count, timeout_s=120,
                           what=f"a desired count of {count}")


@pytest.fixture
def world(spawn):
    # As many as are desired at first: moto calls the deployment IN_PROGRESS for ever otherwise.
    return Moto(start_moto(spawn, "moto", MOTO_ECS_SERVICE_RUNNING=2))


@pytest.fixture
def supervise(tmp_path, world):
    started = []

    def start(folder=tmp_path, **top):
        folder.mkdir(exist_ok=True)
        config = configuration(folder, world.queue_url, [], minimum=2, maximum=9,
                               policy={"scale_in_after": "5s", "cooldown": "1s"}, **top)
        config["fleets"][0]["fleet"] = {"type": "ecs", "cluster": CLUSTER, "service": SERVICE, "describe": "1s"}
        env = harness.environment(world.url, speed=5, AWS_ACCESS_KEY_ID="AKIDEXAMPLE")
        started.append(Supervisor(folder, config, env))
        return started[-1]

    yield start
    for supervisor in started:
        supervisor.kill()


def test_a_scalable_target_is_seen_and_the_service_left_alone(world, supervise):
    world.scaling.register_scalable_target(ServiceNamespace="ecs", ResourceId=f"service/{CLUSTER}/{SERVICE}",
                                           ScalableDimension="ecs:service:DesiredCount", MinCapacity=1, MaxCapacity=9)
    supervisor = supervise()
    world.send(700)
    fleet = supervisor.wait_fleet(lambda f: f["service"]["refused"], "the refusal")
    assert fleet["service"]["autoscaling"] == "acts"
    supervisor.wait_fleet(lambda f: (f["last_decision"] or {}).get("record", {}).get("why") == "fleet_refused",
                          "growth that is held")
    assert world.service()["desiredCount"] == 2
    done = subprocess.run([harness.BIN / "sluice", "check", "--json", "--config", supervisor.config_path],
                          env=supervisor.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False)
    assert done.returncode == 78
    assert [r["code"] for r in json.loads(done.stdout)["refusals"]] == ["ecs_autoscaling"]


def test_the_lease_and_the_shared_state_are_understood_by_motos_dynamodb(world, supervise, tmp_path):
    dynamodb = boto("dynamodb", world.url)
    dynamodb.create_table(TableName="sluice", BillingMode="PAY_PER_REQUEST",
                          AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                          KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}])
    # A lease that was given back; nobody would wait until one of ten minutes ends.
    dynamodb.put_item(TableName="sluice", Item={"id": {"S": "sale"}, "owner": {"S": ""}, "rvn": {"N": "1"}})
    pair = {"ha": {"type": "dynamodb", "table": "sluice", "key": "sale", "lease": "10m", "heartbeat": "3s"}}
    first = supervise(tmp_path / "a", **pair)
    harness.wait_until(lambda: first.status()["role"] == "leader", what="a leader")
    second = supervise(tmp_path / "b", **pair)
    world.send(700)
    world.wait_desired(9)
    harness.wait_until(lambda: second.status()["ha"]["holder"] == first.status()["ha"]["owner"], what="a follower")
    assert second.status()["role"] == "follower"
    first.signal(signal.SIGTERM)
    assert first.wait() == 0
    harness.wait_until(lambda: second.status()["role"] == "leader", timeout_s=60, what="the handover")
    second.wait_fleet(lambda f: f["decisions"] > 2 and f["desired"] == 9, "the state of the first")
    item = dynamodb.get_item(TableName="sluice", Key={"id": {"S": "sale/fleet/orders"}}, ConsistentRead=True)["Item"]
    assert json.loads(item["state"]["S"])["desired"] == 9
    assert int(item["fence"]["N"]) == second.status()["ha"]["token"]
