"""Our ECS client against sluice-localaws, whose tasks move by themselves."""
import boto3
import harness
import pytest

from ecs_client import SLEEPER, Ecs, request
from test_client_moto import Driver

DRIVER = harness.BIN.parent / "tests" / "ecs_driver"


@pytest.fixture
def ecs(localaws):
    client = Ecs(localaws(args=("--ecs-tasks", "pretend"), speed=20).url)
    client.register(SLEEPER)
    yield client
    client.close()


@pytest.fixture
def client(ecs):
    driver = Driver(harness.environment(endpoint=ecs.url), DRIVER)
    yield driver
    driver.close()


def test_a_service_grows_and_shrinks(client, ecs):
    ecs.call("CreateService", serviceName="orders", taskDefinition="worker", desiredCount=3)
    ecs.wait_running(3)
    for desired in (120, 2):
        answer = client("UpdateService", service="orders", desired=desired)
        assert (answer["kind"], answer["services"][0]["desired"]) == ("ok", desired)
        ecs.wait_running(desired)
        (service,) = client("DescribeServices", services=["orders"])["services"]
        assert (service["desired"], service["running"], service["pending"]) == (desired, desired, 0)
        assert (service["status"], service["strategy"], service["deployments"]) == ("ACTIVE", "REPLICA", 1)
    (missing,) = client("DescribeServices", services=["nobody"])["failures"]
    assert missing["reason"] == "MISSING"


def test_tasks_in_pages(client, ecs):
    ecs.call("CreateService", serviceName="orders", taskDefinition="worker", desiredCount=130)
    ecs.wait_running(130)
    first = client("ListTasks", service="orders")
    second = client("ListTasks", service="orders", next_token=first["next_token"])
    assert len(first["arns"]) == 100 and second["next_token"] == ""
    arns = first["arns"] + second["arns"]
    assert len(set(arns)) == 130
    tasks = client("DescribeTasks", tasks=arns[:100])["tasks"]
    assert [t["arn"] for t in tasks] == arns[:100]
    assert {(t["last_status"], t["desired_status"]) for t in tasks} == {("RUNNING", "RUNNING")}
    ecs.call("UpdateService", service="orders", desiredCount=0)
    ecs.wait_running(0)
    assert len(client("ListTasks", service="orders", stopped=True)["arns"]) == 100


def test_scalable_targets(client, ecs):
    boto = boto3.client("application-autoscaling", endpoint_url=ecs.url, region_name=harness.REGION,
                        aws_access_key_id=harness.ACCESS_KEY, aws_secret_access_key=harness.SECRET_KEY)
    ids = ["service/default/orders", "service/default/other"]
    assert client("DescribeScalableTargets", ids=ids)["targets"] == []
    target = {"ServiceNamespace": "ecs", "ResourceId": ids[0], "ScalableDimension": "ecs:service:DesiredCount"}
    with pytest.raises(boto.exceptions.ValidationException):
        boto.register_scalable_target(MinCapacity=1, **target)
    boto.register_scalable_target(MinCapacity=1, MaxCapacity=9, **target)
    (found,) = client("DescribeScalableTargets", ids=ids)["targets"]
    assert found == {"id": ids[0], "min": 1, "max": 9, "suspended": False}
    stopped = {f"{name}Suspended": True for name in ("DynamicScalingIn", "DynamicScalingOut", "ScheduledScaling")}
    boto.register_scalable_target(SuspendedState=stopped, **target)
    assert client("DescribeScalableTargets", ids=ids)["targets"][0]["suspended"] is True
    assert client("DescribeScalableTargets", ids=ids[1:])["targets"] == []
    assert len(boto.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]) == 1
    boto.deregister_scalable_target(**target)
    assert client("DescribeScalableTargets", ids=ids)["targets"] == []
    with pytest.raises(boto.exceptions.ObjectNotFoundException):
        boto.deregister_scalable_target(**target)


def test_throttled_calls_are_tried_again(client, ecs):
    ecs.call("CreateService", serviceName="orders", taskDefinition="worker", desiredCount=0)
    request(ecs.url, "POST", "/_localaws/faults", {"operation": "DescribeServices", "kind": "throttle", "count": 1})
    answer = client("DescribeServices", services=["orders"])
    assert (answer["kind"], answer["attempts"]) == ("ok", 2)
    request(ecs.url, "POST", "/_localaws/faults", {"operation": "UpdateService", "kind": "throttle"})
    answer = client("UpdateService", service="orders", desired=1)
    assert (answer["kind"], answer["code"]) == ("throttled", "ThrottlingException")
