"""ECS of sluice-localaws with real processes as tasks."""
import http.client
import json
import os
import pathlib
import signal
import sys

import pytest

import harness
from ecs_client import SLEEPER, Ecs, EcsError, request
from localaws_client import Client

SPEED = 20

# Writes its pid, its environment, and each TERM that it gets, into a folder; says `ready` when TERM is handled.
TASK = """
import json, os, pathlib, signal, subprocess, sys, time
folder = pathlib.Path(sys.argv[1])
mode = sys.argv[2]
def on_term(number, frame):
    (folder / f"{os.getpid()}.term").touch()
    if mode != "stubborn":
        sys.exit(7)
signal.signal(signal.SIGTERM, on_term)
child = subprocess.Popen(["sleep", "3600"]) if mode == "parent" else None
facts = {"pid": os.getpid(), "child": child.pid if child else None, "environment": dict(os.environ)}
(folder / f"{os.getpid()}.tmp").write_text(json.dumps(facts))
(folder / f"{os.getpid()}.tmp").rename(folder / f"{os.getpid()}.ready")
while True:
    time.sleep(3600)
"""


@pytest.fixture
def ecs(localaws):
    clients = []

    def start(*args, **options):
        server = localaws(args=("--ecs-tasks", "run", *args), **{"speed": harness.speed(SPEED), **options})
        clients.append(Ecs(server.url))
        clients[-1].server = server
        return clients[-1]

    yield start
    for client in clients:
        client.close()


def is_gone(pid):
    """Also true of a zombie: nobody may reap an orphan here."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def started(folder, count):
    """What so many tasks wrote about themselves."""
    def read():
        files = sorted(folder.glob("*.ready"))
        return [json.loads(f.read_text()) for f in files] if len(files) >= count else None
    return harness.wait_until(read, what=f"{count} tasks to be ready")


def serve(client, folder, count, mode="plain", **definition):
    folder.mkdir(exist_ok=True)
    client.register([sys.executable, "-c", TASK, folder, mode], **definition)
    client.call("CreateService", serviceName="orders", taskDefinition="worker", desiredCount=count)
    facts = started(folder, count)
    client.wait_running(count)
    return facts


def test_a_service_keeps_as_many_processes_as_desired(ecs, tmp_path):
    client = ecs()
    facts = serve(client, tmp_path / "tasks", 2)
    assert len(client.tasks()) == 2
    client.call("UpdateService", service="orders", desiredCount=4)
    client.wait_running(4)
    assert len(started(tmp_path / "tasks", 4)) == 4
    client.call("UpdateService", service="orders", desiredCount=1)
    client.wait_running(1)
    tasks = client.stopped(3)
    assert {t["stopCode"] for t in tasks} == {"ServiceSchedulerInitiated"}
    assert {t["containers"][0]["exitCode"] for t in tasks} == {7}  # TERM came, and the handler had its say
    assert len(list((tmp_path / "tasks").glob("*.term"))) == 3
    assert not is_gone(facts[0]["pid"]) or not is_gone(facts[1]["pid"])
    service = client.service()
    assert [d["rolloutState"] for d in service["deployments"]] == ["COMPLETED"]
    assert service["desiredCount"] == 1


def test_a_task_that_dies_is_replaced(ecs, tmp_path):
    client = ecs()
    (facts,) = serve(client, tmp_path / "tasks", 1)
    os.kill(facts["pid"], signal.SIGKILL)
    (task,) = client.stopped(1)
    assert task["stopCode"] == "EssentialContainerExited"
    assert task["containers"][0]["exitCode"] == 137
    assert len(started(tmp_path / "tasks", 2)) == 2
    client.wait_running(1)
    assert client.service()["deployments"][0]["failedTasks"] == 0


def test_what_a_task_gets_as_its_environment(ecs, tmp_path):
    client = ecs()
    (facts,) = serve(client, tmp_path / "tasks", 1, environment={"NUM_WORKERS": 7, "AWS_REGION": "eu-north-1"})
    env = facts["environment"]
    (task,) = client.tasks()
    task_id = task["taskArn"].split("/")[-1]
    assert env["NUM_WORKERS"] == "7"
    assert env["AWS_REGION"] == "eu-north-1"  # the definition is asked before our own settings
    assert env["AWS_ENDPOINT_URL"] == client.server.url
    assert env["ECS_AGENT_URI"] == f"{client.server.url}/api/{task_id}"
    assert env["ECS_CONTAINER_METADATA_URI_V4"] == f"{client.server.url}/v4/{task_id}"
    assert env["AWS_ACCESS_KEY_ID"] == harness.ACCESS_KEY
    status, metadata = request(client.server.url, "GET", f"/v4/{task_id}/task")
    assert status == 200
    assert metadata["TaskARN"] == task["taskArn"]
    assert metadata["Cluster"].endswith("cluster/default")
    assert metadata["Family"] == "worker"


def test_the_whole_group_ends_with_the_task(ecs, tmp_path):
    client = ecs()
    (facts,) = serve(client, tmp_path / "tasks", 1, mode="parent")
    assert not is_gone(facts["child"])
    client.call("UpdateService", service="orders", desiredCount=0)
    client.stopped(1)
    harness.wait_until(lambda: is_gone(facts["child"]), what="the task's child to end")


def test_a_task_that_ignores_term_is_killed_after_its_stop_timeout(ecs, tmp_path):
    client = ecs()
    (facts,) = serve(client, tmp_path / "tasks", 1, mode="stubborn", stop_timeout=20)
    client.call("UpdateService", service="orders", desiredCount=0)
    (task,) = client.stopped(1)
    assert task["containers"][0]["exitCode"] == 137
    assert (tmp_path / "tasks" / f"{facts['pid']}.term").exists()
    assert task["stoppedAt"] - task["stoppingAt"] >= 20
    assert client.stats()["ecs"]["tasks_killed"] == 1


def test_processes_end_with_localaws(ecs, tmp_path):
    client = ecs()
    facts = serve(client, tmp_path / "tasks", 2)
    client.server.signal(signal.SIGTERM)
    assert client.server.wait() == 0
    assert all(is_gone(f["pid"]) for f in facts)
    assert len(list((tmp_path / "tasks").glob("*.term"))) == 2  # they could finish


def test_a_second_signal_does_not_wait(ecs, tmp_path):
    client = ecs()
    facts = serve(client, tmp_path / "tasks", 1, mode="stubborn", stop_timeout=3600)
    client.server.signal(signal.SIGTERM)
    harness.wait_until(lambda: list((tmp_path / "tasks").glob("*.term")), what="TERM at the task")
    client.server.signal(signal.SIGTERM)
    assert client.server.wait() == 0
    assert is_gone(facts[0]["pid"])


def test_processes_die_with_a_killed_localaws(ecs, tmp_path):
    client = ecs()
    facts = serve(client, tmp_path / "tasks", 2)
    client.server.kill()
    for fact in facts:
        harness.wait_until(lambda fact=fact: is_gone(fact["pid"]), what="the task to die")


def test_a_command_that_cannot_be_started(ecs):
    client = ecs()
    client.register(["/nonexistent/worker"])
    client.call("CreateService", serviceName="orders", taskDefinition="worker", desiredCount=1)
    service = client.wait(lambda s: s["deployments"][0]["failedTasks"] >= 3, what="three failed tasks")
    assert service["runningCount"] == 0
    assert service["deployments"][0]["rolloutState"] == "IN_PROGRESS"
    assert any("unable to consistently start tasks" in e["message"] for e in service["events"])
    task = client.stopped(1)[0]
    assert task["stopCode"] == "TaskFailedToStart"
    assert "CannotStartContainerError" in task["stoppedReason"]
    assert "/nonexistent/worker" in task["stoppedReason"]


def test_the_circuit_breaker_rolls_back(ecs, tmp_path):
    client = ecs()
    serve(client, tmp_path / "tasks", 2)
    good = client.service()["taskDefinition"]
    bad = client.register(["/nonexistent/worker"])
    client.call("UpdateService", service="orders", taskDefinition=bad, deploymentConfiguration={
        "deploymentCircuitBreaker": {"enable": True, "rollback": True}})
    service = client.wait(lambda s: s["taskDefinition"] == good and len(s["deployments"]) == 1 and
                          s["deployments"][0]["rolloutState"] == "COMPLETED", what="the rollback")
    assert service["runningCount"] == 2
    assert any("deployment failed: tasks failed to start." in e["message"] for e in service["events"])


def test_a_new_definition_rolls_out(ecs, tmp_path):
    client = ecs()
    serve(client, tmp_path / "tasks", 2)
    arn = client.register(SLEEPER)
    service = client.call("UpdateService", service="orders", taskDefinition=arn)["service"]
    assert [d["status"] for d in service["deployments"]] == ["PRIMARY", "ACTIVE"]
    assert service["deployments"][0]["rolloutState"] == "IN_PROGRESS"
    client.wait(lambda s: [d["rolloutState"] for d in s["deployments"]] == ["COMPLETED"], what="the rollout")
    assert {t["taskDefinitionArn"] for t in client.tasks()} == {arn}
    assert len(client.stopped(2)) == 2


def test_protection_through_the_agent(ecs, tmp_path):
    client = ecs("--ecs-scale-in", "newest")
    facts = serve(client, tmp_path / "tasks", 3)
    url = client.server.url
    paths = {f["environment"]["ECS_AGENT_URI"][len(url):] + "/task-protection/v1/state": f["pid"] for f in facts}
    (kept, other, last) = paths
    status, body = request(url, "PUT", kept, {"ProtectionEnabled": True, "ExpiresInMinutes": 60})
    assert status == 200
    assert body["protection"]["ProtectionEnabled"] is True
    assert body["protection"]["ExpirationDate"].endswith("Z")
    assert request(url, "GET", kept) == (200, body)
    client.call("UpdateService", service="orders", desiredCount=1)
    assert {t["lastStatus"] for t in client.stopped(2)} == {"STOPPED"}
    (task,) = client.tasks()
    assert task["taskArn"] == body["protection"]["TaskArn"]
    assert not is_gone(paths[kept])
    assert is_gone(paths[other]) and is_gone(paths[last])
    # more protected than desired is refused, with 200
    client.call("UpdateService", service="orders", desiredCount=2)
    client.wait_running(2)
    (fresh,) = [t["taskArn"].split("/")[-1] for t in client.tasks() if t["taskArn"] != task["taskArn"]]
    client.call("UpdateService", service="orders", desiredCount=0)
    client.stopped(3)
    service = client.service()
    assert service["runningCount"] == 1
    assert any("task scale-in protection" in e["message"] for e in service["events"])
    status, body = request(url, "PUT", f"/api/{fresh}/task-protection/v1/state", {"ProtectionEnabled": True})
    assert (status, body["failure"]["Reason"]) == (200, "TASK_NOT_VALID")
    status, body = request(url, "PUT", kept, {"ProtectionEnabled": False})
    assert (status, body["protection"]["ExpirationDate"]) == (200, None)
    client.stopped(4)


def test_more_protected_tasks_than_desired_are_refused(ecs, tmp_path):
    client = ecs()
    facts = serve(client, tmp_path / "tasks", 2)
    url = client.server.url
    first, second = (f["environment"]["ECS_AGENT_URI"][len(url):] + "/task-protection/v1/state" for f in facts)
    assert "protection" in request(url, "PUT", first, {"ProtectionEnabled": True})[1]
    assert "protection" in request(url, "PUT", second, {"ProtectionEnabled": True})[1]
    client.call("UpdateService", service="orders", desiredCount=1)
    assert "protection" in request(url, "PUT", first, {"ProtectionEnabled": True})[1]  # a renewal
    service = client.service()
    assert (service["desiredCount"], service["runningCount"]) == (1, 2)
    client.call("UpdateService", service="orders", desiredCount=3)
    client.wait_running(3)
    third = started(tmp_path / "tasks", 3)
    (third,) = [f["environment"]["ECS_AGENT_URI"][len(url):] + "/task-protection/v1/state" for f in third
                if f["pid"] not in [g["pid"] for g in facts]]
    client.server.faults("POST", {"operation": "UpdateTaskProtection", "kind": "throttle", "count": 1})
    status, body = request(url, "PUT", third, {"ProtectionEnabled": True})
    assert (status, body["error"]["Code"]) == (400, "ThrottlingException")
    assert request(url, "GET", third)[1]["protection"]["ProtectionEnabled"] is False
    arns = [t["taskArn"] for t in client.tasks()]
    reply = client.call("UpdateTaskProtection", cluster="default", tasks=arns, protectionEnabled=False)
    assert reply["failures"] == []
    assert [p["protectionEnabled"] for p in reply["protectedTasks"]] == [False] * 3


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"ProtectionEnabled":1}', b'{"ProtectionEnabled":true,"Odd":1}',
                                  b'{"ProtectionEnabled":true,"ExpiresInMinutes":0}',
                                  b'{"ProtectionEnabled":true,"ExpiresInMinutes":2881}',
                                  b'{"ProtectionEnabled":true,"ExpiresInMinutes":"1"}'])
def test_bad_bodies_to_the_agent(ecs, tmp_path, body):
    client = ecs()
    (facts,) = serve(client, tmp_path / "tasks", 1)
    path = facts["environment"]["ECS_AGENT_URI"][len(client.server.url):] + "/task-protection/v1/state"
    status, reply = request(client.server.url, "PUT", path, body)
    assert (status, reply["error"]["Code"]) == (400, "InvalidParameterException")
    assert request(client.server.url, "GET", path)[1]["protection"]["ProtectionEnabled"] is False


def test_faults_concern_ecs_too(ecs):
    client = ecs()
    client.register(SLEEPER)
    client.server.faults("POST", [{"operation": "CreateService", "kind": "throttle", "count": 1},
                                  {"operation": "CreateService", "kind": "error", "after": True, "count": 1}])
    request_members = {"serviceName": "orders", "taskDefinition": "worker", "desiredCount": 0}
    with pytest.raises(EcsError) as e:
        client.call("CreateService", **request_members)
    assert (e.value.status, e.value.type, e.value.message) == (400, "ThrottlingException", "Rate exceeded")
    assert client.call("ListServices")["serviceArns"] == []
    with pytest.raises(EcsError) as e:
        client.call("CreateService", **request_members)
    assert (e.value.status, e.value.type) == (500, "ServerException")
    assert client.service()["status"] == "ACTIVE"  # its answer was lost, what it did is not
    stats = client.stats()
    assert stats["calls"]["CreateService"] == 2
    assert stats["calls"]["DescribeServices"] == 1


def test_no_tasks_without_the_flag(localaws):
    client = Ecs(localaws().url)
    client.register(SLEEPER)
    with pytest.raises(EcsError, match="--ecs-tasks") as e:
        client.call("CreateService", serviceName="orders", taskDefinition="worker", desiredCount=1)
    assert e.value.type == "UnsupportedFeatureException"
    with pytest.raises(EcsError, match="--ecs-tasks"):
        client.call("RunTask", taskDefinition="worker")
    client.call("CreateService", serviceName="orders", taskDefinition="worker", desiredCount=0)
    with pytest.raises(EcsError, match="--ecs-tasks"):
        client.call("UpdateService", service="orders", desiredCount=1)
    client.close()


def test_pretended_tasks_have_no_processes(localaws):
    client = Ecs(localaws(args=("--ecs-tasks", "pretend"), speed=SPEED).url)
    client.register(["/nonexistent/worker"])
    client.call("CreateService", serviceName="orders", taskDefinition="worker", desiredCount=500)
    client.wait_running(500)
    client.call("UpdateService", service="orders", desiredCount=3)
    client.wait_running(3)
    assert client.stats()["ecs"]["tasks_exited"] == 497
    client.close()


def test_signatures_are_scoped_to_ecs(localaws):
    server = localaws()
    for service, type_ in [("sqs", "InvalidSignatureException"), ("ecs", None)]:
        client = Ecs(server.url, service=service)
        if type_ is None:
            assert client.call("ListClusters")["clusterArns"]
            # The two services have different keys of the day.
            assert Client(server.url).call("ListQueues") == {} and client.call("ListClusters")["clusterArns"]
        else:
            with pytest.raises(EcsError) as e:
                client.call("ListClusters")
            assert (e.value.status, e.value.type) == (400, type_)
        client.close()


def test_another_host_is_refused(ecs):
    """A web page may resolve to 127.0.0.1, but it cannot choose the Host that a browser sends."""
    client = ecs()
    port = client.server.url.rsplit(":", 1)[1]
    for host in ("localhost", "127.0.0.1", "[::1]"):
        assert client.call("ListClusters", host=f"{host}:{port}")["clusterArns"]
    with pytest.raises(EcsError, match="another host"):
        client.call("ListClusters", host=f"evil.example:{port}")


def test_tasks_are_run_on_loopback_only(spawn):
    server = spawn([harness.BIN / "sluice-localaws", "--listen", "0.0.0.0:0", "--allow-remote", "--ecs-tasks", "run"],
                   harness.environment())
    assert server.wait() == 64
    assert "loopback only" in server.stderr()


def test_task_logs_go_to_files(ecs, tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    client = ecs("--ecs-task-logs", str(logs))
    client.register([sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr)"])
    reply = client.call("RunTask", taskDefinition="worker", startedBy="me", overrides={"containerOverrides": [
        {"name": "main", "environment": [{"name": "PYTHONUNBUFFERED", "value": "1"}]}]})
    (task,) = reply["tasks"]

    def ended():
        (now,) = client.call("DescribeTasks", tasks=[task["taskArn"]])["tasks"]
        return now if now["lastStatus"] == "STOPPED" else None

    now = harness.wait_until(ended, what="the task to end")
    assert now["startedBy"] == "me"
    assert now["containers"][0]["exitCode"] == 0
    assert (logs / f"{task['taskArn'].split('/')[-1]}.log").read_text() == "out\nerr\n"


def test_a_call_that_hangs_and_one_that_is_late(ecs):
    client = ecs()
    client.register(SLEEPER)
    client.call("CreateService", serviceName="orders", taskDefinition="worker", desiredCount=0)
    client.server.faults("POST", [{"operation": "UpdateService", "kind": "hang", "after": True, "count": 1},
                                  {"operation": "UpdateService", "kind": "latency", "latency_ms": 50}])
    impatient = Ecs(client.server.url, timeout_s=1)
    with pytest.raises(TimeoutError):
        impatient.call("UpdateService", service="orders", desiredCount=1)
    assert client.service()["desiredCount"] == 1  # no answer, but done
    assert client.call("UpdateService", service="orders", desiredCount=2)["service"]["desiredCount"] == 2
    stats = harness.wait_until(lambda: (s := client.stats())["gone"] == 1 and s, what="the client to be missed")
    assert stats["calls"]["UpdateService"] == 2
    client.server.faults("DELETE")
    client.wait_running(2)


def test_an_operation_that_is_done_twice_answers_once(ecs):
    client = ecs()
    client.register(SLEEPER)
    client.server.faults("POST", {"operation": "RunTask", "kind": "duplicate", "count": 1})
    assert len(client.call("RunTask", taskDefinition="worker")["tasks"]) == 1
    assert len(client.call("ListTasks")["taskArns"]) == 2


def test_a_truncated_answer(ecs):
    client = ecs()
    client.server.faults("POST", {"operation": "ListClusters", "kind": "truncate", "count": 1})
    with pytest.raises(http.client.IncompleteRead):
        client.call("ListClusters")
    assert client.call("ListClusters")["clusterArns"]


def test_an_operation_that_is_not_known_is_refused_and_nothing_else_happens(localaws):
    ecs = Ecs(localaws(args=("--ecs-tasks", "pretend")).url)
    for name in ("ListAttributes", "", "createService"):
        with pytest.raises(EcsError) as refused:
            ecs.call(name)
        assert refused.value.status == 400 and "UnknownOperationException" in str(refused.value)
    assert ecs.call("ListServices")["serviceArns"] == []
