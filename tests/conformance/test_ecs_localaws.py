"""Our ECS client against sluice-localaws, whose tasks move by themselves."""
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


def test_throttled_calls_are_tried_again(client, ecs):
    ecs.call("CreateService", serviceName="orders", taskDefinition="worker", desiredCount=0)
    request(ecs.url, "POST", "/_localaws/faults", {"operation": "DescribeServices", "kind": "throttle", "count": 1})
    answer = client("DescribeServices", services=["orders"])
    assert (answer["kind"], answer["attempts"]) == ("ok", 2)
    request(ecs.url, "POST", "/_localaws/faults", {"operation": "UpdateService", "kind": "throttle"})
    answer = client("UpdateService", service="orders", desired=1)
    assert (answer["kind"], answer["code"]) == ("throttled", "ThrottlingException")
