"""sluice-worker as a task of an ECS service: real processes, the queue and the agent endpoint of one sluice-localaws."""
import time

import pytest

import harness
from ecs_client import Ecs
from supervisor_harness import Sqs
from worker_harness import ledger, order


class Fleet:
    """A service of workers on the queue `orders`; the ledger they share is the witness."""

    def __init__(self, localaws, folder, tasks, payment="3s"):
        self.folder = folder
        speed = harness.speed(10)
        self.server = localaws(speed=speed, origin_ms=int(time.time() * 1000), args=("--ecs-tasks", "run"))
        self.sqs = Sqs(self.server.url)
        self.queue_url = self.sqs.create("orders")
        self.ecs = Ecs(self.server.url)
        self.ecs.register([harness.BIN / "sluice-worker", "--ledger", folder / "ledger"], stop_timeout=120, environment={
            "SQS_QUEUE_URL": self.queue_url, "NUM_WORKERS": harness.threads(20), "PAYMENT_TIME": payment})
        self.ecs.call("CreateService", serviceName="orders", taskDefinition="worker", desiredCount=tasks)
        self.ecs.wait_running(tasks)

    def send_orders(self, count):
        ids = {f"o-{i}" for i in range(count)}
        self.sqs.send(self.queue_url, [order(i) for i in sorted(ids)])
        return ids

    def wait_empty(self):
        harness.wait_until(lambda: self.sqs.counts(self.queue_url) == (0, 0), 240, "the queue to be empty")

    def protected(self):
        reply = self.ecs.call("GetTaskProtection", cluster="default")
        return {p["taskArn"] for p in reply["protectedTasks"] if p["protectionEnabled"]}


@pytest.fixture
def fleet(localaws, tmp_path):
    fleets = []

    def start(*args, **options):
        fleets.append(Fleet(localaws, tmp_path, *args, **options))
        return fleets[-1]

    yield start
    for each in fleets:
        each.ecs.close()


def test_busy_workers_are_not_stopped_when_desired_falls(fleet, tmp_path):
    shop = fleet(2)
    sent = shop.send_orders(120)
    harness.wait_until(lambda: len(shop.protected()) == 2, what="both tasks to ask for protection")
    shop.ecs.call("UpdateService", service="orders", desiredCount=1)
    assert shop.ecs.service()["runningCount"] == 2
    assert any("task scale-in protection" in e["message"] for e in shop.ecs.service()["events"])
    # Idle workers give it back by themselves, and the service has its way.
    (task,) = shop.ecs.stopped(1)
    assert task["stopCode"] == "ServiceSchedulerInitiated"
    assert task["containers"][0]["exitCode"] == 0
    shop.wait_empty()
    payments = ledger(tmp_path)
    assert sorted(p.order_id for p in payments) == sorted(sent)
    # Who was told to stop had nothing to do: what was paid later was paid by the other one.
    assert len({p.pid for p in payments if p.end_ms > task["stoppingAt"] * 1000}) <= 1
    assert shop.ecs.wait_running(1)["deployments"][0]["failedTasks"] == 0


def test_a_rolling_deployment_loses_no_order(fleet, tmp_path):
    shop = fleet(2)
    sent = shop.send_orders(60)
    harness.wait_until(lambda: ledger(tmp_path), what="the first payment")
    shop.ecs.call("UpdateService", service="orders", forceNewDeployment=True)
    shop.ecs.wait(lambda s: [d["rolloutState"] for d in s["deployments"]] == ["COMPLETED"], what="the rollout")
    assert {t["containers"][0]["exitCode"] for t in shop.ecs.stopped(2)} == {0}
    shop.wait_empty()
    assert sorted(p.order_id for p in ledger(tmp_path)) == sorted(sent)
