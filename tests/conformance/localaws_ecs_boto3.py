"""Scenarios of a boto3 ECS client against sluice-localaws with real processes as tasks.

    python localaws_ecs_boto3.py URL SCENARIO      ends with 0 when all assertions held; prints boto3's version

Kept apart from pytest because Debian's boto3 belongs to /usr/bin/python3, which need not have pytest.
"""
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

URL = sys.argv[1]
ecs = boto3.client("ecs", endpoint_url=URL, config=Config(retries={"max_attempts": 0}))
SLEEP = ["sleep", "3600"]


def fails(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e
        return e
    raise AssertionError(f"no {code}")


def register(command=None, family="worker", **changes):
    container = {"name": "main", "image": "worker:1", "essential": True, "command": command or SLEEP, **changes}
    return ecs.register_task_definition(family=family, containerDefinitions=[container])["taskDefinition"]


def serve(count, **changes):
    register()
    return ecs.create_service(serviceName="orders", taskDefinition="worker", desiredCount=count, **changes)["service"]


def stable():
    """botocore's own waiter: one deployment, running == desired."""
    ecs.get_waiter("services_stable").wait(cluster="default", services=["orders"],
                                           WaiterConfig={"Delay": 0.05, "MaxAttempts": 1000})


def described():
    (service,) = ecs.describe_services(services=["orders"])["services"]
    return service


def scenario_clusters():
    made = ecs.create_cluster(clusterName="flash-sale", tags=[{"key": "team", "value": "orders"}])["cluster"]
    assert made["clusterArn"] == "arn:aws:ecs:us-east-1:123456789012:cluster/flash-sale"
    assert made["status"] == "ACTIVE"
    reply = ecs.describe_clusters(clusters=["flash-sale", "none"])
    assert [c["clusterName"] for c in reply["clusters"]] == ["flash-sale"]
    assert [f["reason"] for f in reply["failures"]] == ["MISSING"]
    assert made["clusterArn"] in ecs.list_clusters()["clusterArns"]
    error = fails("ClusterNotFoundException", ecs.list_services, cluster="none")
    assert isinstance(error, ecs.exceptions.ClusterNotFoundException)


def scenario_task_definitions():
    first = register(stopTimeout=90, environment=[{"name": "NUM_WORKERS", "value": "100"}])
    assert first["taskDefinitionArn"].endswith("task-definition/worker:1")
    assert first["containerDefinitions"][0]["stopTimeout"] == 90
    assert register()["revision"] == 2
    assert ecs.describe_task_definition(taskDefinition="worker")["taskDefinition"]["revision"] == 2
    shown = ecs.describe_task_definition(taskDefinition="worker:1")["taskDefinition"]
    assert shown == first
    assert len(ecs.list_task_definitions(familyPrefix="worker")["taskDefinitionArns"]) == 2
    gone = ecs.deregister_task_definition(taskDefinition="worker:2")["taskDefinition"]
    assert gone["status"] == "INACTIVE"
    fails("ClientException", ecs.describe_task_definition, taskDefinition="none")


def scenario_a_service_scales_out_and_in():
    made = serve(2)
    assert made["status"] == "ACTIVE" and made["desiredCount"] == 2
    assert made["deployments"][0]["status"] == "PRIMARY"
    assert made["deployments"][0]["rolloutState"] == "IN_PROGRESS"
    stable()
    for desired in (5, 1):
        changed = ecs.update_service(service="orders", desiredCount=desired)["service"]
        assert changed["desiredCount"] == desired
        assert len(changed["deployments"]) == 1
        stable()
        service = described()
        assert (service["runningCount"], service["pendingCount"]) == (desired, 0)
        assert service["deployments"][0]["rolloutState"] == "COMPLETED"
    texts = [e["message"] for e in service["events"]]
    assert texts[0] == "(service orders) has reached a steady state."
    assert any(t.startswith("(service orders) has started 3 tasks: (task ") for t in texts)
    assert any(t.startswith("(service orders) has stopped 4 running tasks: (task ") for t in texts)


def scenario_tasks():
    serve(3)
    stable()
    pages = list(ecs.get_paginator("list_tasks").paginate(serviceName="orders", PaginationConfig={"PageSize": 2}))
    arns = [a for p in pages for a in p["taskArns"]]
    assert [len(p["taskArns"]) for p in pages] == [2, 1] and len(set(arns)) == 3
    tasks = ecs.describe_tasks(tasks=arns + ["none"])
    assert [f["reason"] for f in tasks["failures"]] == ["MISSING"]
    for task in tasks["tasks"]:
        assert task["lastStatus"] == task["desiredStatus"] == "RUNNING"
        assert task["startedBy"].startswith("ecs-svc/") and task["group"] == "service:orders"
        assert task["startedAt"] > task["createdAt"]
    ecs.stop_task(task=arns[0], reason="a test")
    ecs.get_waiter("tasks_stopped").wait(cluster="default", tasks=arns[:1],
                                         WaiterConfig={"Delay": 0.05, "MaxAttempts": 1000})
    (stopped,) = ecs.describe_tasks(tasks=arns[:1])["tasks"]
    assert (stopped["stopCode"], stopped["stoppedReason"]) == ("UserInitiated", "a test")
    assert stopped["containers"][0]["exitCode"] == 143
    assert ecs.list_tasks(desiredStatus="STOPPED")["taskArns"] == arns[:1]
    stable()
    assert described()["runningCount"] == 3


def scenario_deployments():
    serve(2, deploymentConfiguration={"minimumHealthyPercent": 50, "maximumPercent": 100})
    stable()
    second = register()["taskDefinitionArn"]
    service = ecs.update_service(service="orders", taskDefinition=second)["service"]
    assert [d["status"] for d in service["deployments"]] == ["PRIMARY", "ACTIVE"]
    assert service["taskDefinition"] == second
    stable()
    service = described()
    assert [d["rolloutState"] for d in service["deployments"]] == ["COMPLETED"]
    config = service["deploymentConfiguration"]
    assert (config["minimumHealthyPercent"], config["maximumPercent"]) == (50, 100)
    before = service["deployments"][0]["id"]
    ecs.update_service(service="orders", forceNewDeployment=True)
    stable()
    assert described()["deployments"][0]["id"] != before


def scenario_protection():
    serve(2)
    stable()
    arns = ecs.list_tasks(serviceName="orders")["taskArns"]
    reply = ecs.update_task_protection(cluster="default", tasks=arns[1:], protectionEnabled=True, expiresInMinutes=60)
    assert reply["failures"] == []
    (task,) = reply["protectedTasks"]
    assert task["protectionEnabled"] and task["expirationDate"]
    ecs.update_service(service="orders", desiredCount=0)
    while len(ecs.list_tasks(serviceName="orders")["taskArns"]) != 1:
        time.sleep(0.02)
    assert ecs.list_tasks(serviceName="orders")["taskArns"] == arns[1:]
    shown = ecs.get_task_protection(cluster="default", tasks=arns[1:] + ["none"])
    assert shown["protectedTasks"] == [task]
    assert shown["failures"][0]["reason"] == "MISSING"
    ecs.update_task_protection(cluster="default", tasks=arns[1:], protectionEnabled=False)
    stable()
    assert described()["runningCount"] == 0


def scenario_errors():
    serve(0)
    fails("ServiceNotFoundException", ecs.update_service, service="none", desiredCount=1)
    fails("InvalidParameterException", ecs.describe_services, services=[str(i) for i in range(11)])
    fails("InvalidParameterException", ecs.create_service, serviceName="orders", taskDefinition="worker")
    assert ecs.describe_services(services=["none"])["failures"][0]["reason"] == "MISSING"
    ecs.delete_service(service="orders")
    ecs.get_waiter("services_inactive").wait(cluster="default", services=["orders"],
                                             WaiterConfig={"Delay": 0.05, "MaxAttempts": 1000})
    error = fails("ServiceNotActiveException", ecs.update_service, service="orders", desiredCount=1)
    assert isinstance(error, ecs.exceptions.ServiceNotActiveException)
    fails("UnknownOperationException", ecs.list_attributes, targetType="container-instance")


if __name__ == "__main__":
    print(f"boto3 {boto3.__version__}")
    globals()[f"scenario_{sys.argv[2]}"]()
