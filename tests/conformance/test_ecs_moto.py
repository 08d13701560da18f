"""Our ECS and Application Auto Scaling clients against moto's server; boto3 looks at the same services from the other side.

moto's tasks do not move by themselves: what tasks do in time is shown by tests/integration, on an ECS of our own.
"""

import harness
import pytest

from test_client_moto import Driver, boto, moto  # noqa: F401, moto is a fixture

DRIVER = harness.BIN.parent / "tests" / "ecs_driver"


@pytest.fixture
def client(moto):  # noqa: F811
    driver = Driver(harness.environment(endpoint=moto), DRIVER)
    yield driver
    driver.close()


@pytest.fixture
def ecs(moto):  # noqa: F811
    made = boto("ecs", moto)
    made.create_cluster(clusterName="sale")
    made.register_task_definition(family="worker", containerDefinitions=[{"name": "w", "image": "w", "memory": 64}])
    return made


def create(ecs, name="workers", desired=2, **more):
    return ecs.create_service(cluster="sale", serviceName=name, taskDefinition="worker", desiredCount=desired,
                              **more)["service"]


def test_a_service_is_described_and_an_unknown_one_is_missing(client, ecs):
    made = create(ecs)
    answer = client("DescribeServices", cluster="sale", services=["workers", "nobody"])
    assert answer["kind"] == "ok" and answer["status"] == 200
    (service,) = answer["services"]
    assert (service["name"], service["arn"], service["status"]) == ("workers", made["serviceArn"], "ACTIVE")
    assert service["desired"] == 2 and service["controller"] in ("ECS", "")
    (failure,) = answer["failures"]
    assert failure["reason"] == "MISSING" and failure["arn"].endswith("nobody")


def test_the_desired_count_alone_is_changed(client, ecs):
    create(ecs)
    before = ecs.describe_services(cluster="sale", services=["workers"])["services"][0]
    answer = client("UpdateService", cluster="sale", service="workers", desired=7)
    assert answer["kind"] == "ok" and answer["services"][0]["desired"] == 7
    after = ecs.describe_services(cluster="sale", services=["workers"])["services"][0]
    assert after["desiredCount"] == 7
    assert after["taskDefinition"] == before["taskDefinition"]
    assert len(after["deployments"]) == len(before["deployments"])
    assert client("DescribeServices", cluster="sale", services=["workers"])["services"][0]["desired"] == 7


def test_ten_services_go_in_one_call_and_eleven_are_refused_before_they_are_sent(client, ecs):
    names = [f"s{i}" for i in range(11)]
    for name in names:
        create(ecs, name)
    answer = client("DescribeServices", cluster="sale", services=names[:10])
    assert sorted(service["name"] for service in answer["services"]) == names[:10]
    refused = client("DescribeServices", cluster="sale", services=names)
    assert (refused["kind"], refused["status"]) == ("bad request", 0)


@pytest.mark.parametrize("op, more, code", [
    ("DescribeServices", {"cluster": "nowhere", "services": ["workers"]}, "ClusterNotFoundException"),
    ("UpdateService", {"cluster": "nowhere", "service": "workers", "desired": 1}, "ClusterNotFoundException"),
    ("UpdateService", {"cluster": "sale", "service": "nobody", "desired": 1}, "ServiceNotFoundException")])
def test_what_is_not_there_is_not_found(client, ecs, op, more, code):
    answer = client(op, **more)
    assert (answer["kind"], answer["code"], answer["attempts"]) == ("not found", code, 1), answer


def test_tasks_are_listed_and_described(client, ecs, moto):  # noqa: F811
    assert client("ListTasks", cluster="sale", service="workers")["kind"] in ("ok", "not found")
    create(ecs, desired=0)
    answer = client("ListTasks", cluster="sale", service="workers", stopped=True)
    assert (answer["kind"], answer["arns"], answer["next_token"]) == ("ok", [], "")


def test_a_scalable_target_is_found(client, ecs, moto):  # noqa: F811
    create(ecs)
    ids = ["service/sale/workers"]
    assert client("DescribeScalableTargets", ids=ids)["targets"] == []
    scaling = boto("application-autoscaling", moto)
    target = {"ServiceNamespace": "ecs", "ResourceId": ids[0], "ScalableDimension": "ecs:service:DesiredCount"}
    scaling.register_scalable_target(MinCapacity=1, MaxCapacity=9, **target)
    (found,) = client("DescribeScalableTargets", ids=ids)["targets"]
    assert found == {"id": ids[0], "min": 1, "max": 9, "suspended": False}
    stopped = {f"{name}Suspended": True for name in ("DynamicScalingIn", "DynamicScalingOut", "ScheduledScaling")}
    scaling.register_scalable_target(SuspendedState=stopped, **target)
    assert client("DescribeScalableTargets", ids=ids)["targets"][0]["suspended"] is True
