"""CloudWatch beside SQS, against sluice-localaws: the depth's source when SQS is throttled, rates, costs, and what is published."""
import json

import pytest

import harness
from harness import BIN, wait_until
from localaws_client import Client
from supervisor_harness import ORIGIN_MS, Sqs, Supervisor, configuration, run_sluice, scripted, write_configuration

# A product minute is three seconds; under a sanitizer ten, since what CloudWatch tells takes minutes there, too.
SPEED = 20 if harness.speed(20) == 20 else 6
QUICK = {"scale_in_after": "10s", "cooldown": "2s", "stale_after": "20s"}
THROTTLE_SQS = [{"operation": "GetQueueAttributes", "kind": "throttle"}]
WORSE = "the depth comes from a worse source now"
BETTER = "the depth comes from a better source again"


class World:
    """An endpoint with a queue called orders, and supervisors of one fleet of two to six scripted workers."""

    def __init__(self, folder, localaws):
        self.folder = folder
        self.server = localaws(speed=SPEED, origin_ms=ORIGIN_MS, args=("--cloudwatch-delay", "10s"))
        self.sqs = Sqs(self.server.url)
        self.queue_url = self.sqs.create("orders")
        self.started = []

    def environment(self):
        return harness.environment(self.server.url, speed=SPEED, origin_ms=ORIGIN_MS)

    def configuration(self, command=None, cloudwatch=None, **settings):
        queue = {"cloudwatch": cloudwatch} if cloudwatch else {}
        return configuration(self.folder, self.queue_url, command or scripted(), endpoint=self.server.url,
                             queue=queue, policy={**QUICK, **settings.pop("policy", {})}, **settings)

    def supervise(self, **settings):
        supervisor = Supervisor(self.folder, self.configuration(**settings), self.environment())
        self.started.append(supervisor)
        return supervisor

    def faults(self, rules):
        self.server.faults("DELETE")
        if rules:
            self.server.faults("POST", rules)


@pytest.fixture
def world(tmp_path, localaws):
    made = World(tmp_path, localaws)
    yield made
    for supervisor in made.started:
        supervisor.kill()
        text = supervisor.stderr()
        assert "Sanitizer" not in text and "runtime error:" not in text, text[-8000:]


def records(supervisor):
    return [line for line in supervisor.journal() if "why" in line]


def source_of(record):
    return record["obs"]["depth_source"]["value"]


def wait_source(supervisor, source):
    return supervisor.wait_fleet(lambda f: f["sensors"]["depth_source"] == source, f"the depth by {source}")


@pytest.mark.slow
def test_a_throttled_sqs_gives_way_to_cloudwatch_which_grows_the_fleet_and_never_shrinks_it(world):
    supervisor = world.supervise(cloudwatch={"mode": "on"})
    assert supervisor.wait_ready(2)["sensors"]["depth_source"] == "sqs"
    world.faults(THROTTLE_SQS)
    world.sqs.send(world.queue_url, ["x"] * 300)
    fleet = supervisor.wait_fleet(lambda f: f["desired"] == 6, "growth on CloudWatch's depth", timeout_s=240)
    sensors = fleet["sensors"]
    assert sensors["depth_source"] == "cloudwatch" and sensors["for_ms"] >= 0
    sqs, cloudwatch, _ = sensors["rungs"]
    assert not sqs["good"] and "RequestThrottled" in sqs["why_not"]
    assert cloudwatch == {"source": "cloudwatch", "good": True, "why_not": None}
    growth = next(r for r in records(supervisor) if r["to"] > r["from"])
    # A minute of CloudWatch may have ended while the messages were being sent.
    assert source_of(growth) == 2 and 20 < growth["obs"]["visible"]["value"] <= 300
    assert growth["obs"]["visible"]["age_ms"] >= 60000  # only closed minutes
    words = run_sluice("status", "--socket", supervisor.socket, env=world.environment()).stdout
    assert "told by cloudwatch since" in words and "not by sqs" in words and "CloudWatch on, $" in words

    world.sqs.purge(world.queue_url)
    fleet = supervisor.wait_fleet(
        lambda f: f["last_decision"]["record"]["why"] == "depth_coarse", "a low depth of CloudWatch", timeout_s=240)
    seen = fleet["decisions"]
    supervisor.wait_fleet(lambda f: f["decisions"] >= seen + 5, "further decisions")
    assert supervisor.fleet()["desired"] == 6

    world.faults([])
    wait_source(supervisor, "sqs")
    supervisor.wait_fleet(lambda f: f["desired"] == 2, "the fleet to shrink on what SQS says")
    all_records = records(supervisor)
    assert {source_of(r) for r in all_records if r["to"] < r["from"]} == {1}
    rates = [r["obs"]["sent_per_min"]["value"] for r in all_records if r["obs"]["sent_per_min"]]
    assert rates and 0 < max(rates) <= 300
    assert [line["source"] for line in supervisor.messages(WORSE)][0] in ("cloudwatch", "none")
    assert [line["source"] for line in supervisor.messages(BETTER)][-1] == "sqs"
    (pool,) = supervisor.status()["aws"]["cloudwatch"]
    assert pool["metrics_asked_for"] > 0 and pool["usd_per_month"] > 0
    # A call a minute, and one more each time that the depth was wanted, too.
    minutes = (supervisor.status()["now_ms"] - supervisor.status()["started_ms"]) / 60000
    assert pool["calls"] <= minutes / 0.9 + 4


def test_when_cloudwatch_has_no_data_either_the_fleet_holds_and_says_why(world):
    supervisor = world.supervise(cloudwatch={"mode": "fallback"},
                                 policy={"fallback": "target", "fallback_after": "40s"})
    supervisor.wait_ready(2)
    (pool,) = supervisor.status()["aws"]["cloudwatch"]
    assert pool["calls"] == 0 and pool["usd_per_month"] == 0
    world.faults([*THROTTLE_SQS, {"operation": "GetMetricData", "kind": "gap"}])
    fleet = wait_source(supervisor, "none")
    supervisor.wait_fleet(lambda f: f["sensors"]["cloudwatch"]["answers"] > 0, "an answer without data")
    assert fleet["sensors"]["rungs"][1]["why_not"] == "tells nothing"
    supervisor.wait_fleet(lambda f: f["desired"] == 6, "the fallback")
    assert [r["why"] for r in records(supervisor) if r["to"] != r["from"]] == ["fallback"]
    assert not any(r["to"] < r["from"] for r in records(supervisor))


def test_a_denied_cloudwatch_is_told_and_asked_less_often(world):
    world.faults([{"operation": "GetMetricData", "kind": "error", "code": "AccessDenied", "status": 403}])
    supervisor = world.supervise(cloudwatch={"mode": "on"})
    fleet = supervisor.wait_fleet(lambda f: f["sensors"]["cloudwatch"]["last_error"], "the refusal")
    assert "denied" in fleet["sensors"]["cloudwatch"]["last_error"]
    assert fleet["sensors"]["depth_source"] == "sqs"  # nothing is lost by it
    path = write_configuration(world.folder, world.configuration(cloudwatch={"mode": "on"}), "check.json")
    done = run_sluice("check", "--config", path, "--json", env=world.environment())
    (warning,) = [w for w in json.loads(done.stdout)["warnings"] if w["code"] == "cloudwatch"]
    assert "cloudwatch:GetMetricData" in warning["text"] and "AccessDenied" in warning["text"]


def test_workers_that_find_nothing_put_the_fallback_off(world):
    supervisor = world.supervise(
        command=[BIN / "sluice-worker", "--handler", "noop"], fleet={"env": {"NUM_WORKERS": "2"}},
        policy={"fallback": "target", "fallback_after": "30s"})
    supervisor.wait_ready(2)
    world.faults(THROTTLE_SQS)
    wait_source(supervisor, "workers")
    wait_until(lambda: "queue_empty" in {r["why"] for r in records(supervisor)}, timeout_s=60,
               what="a fallback that is put off")
    assert supervisor.fleet()["desired"] == 2
    world.faults([])
    wait_source(supervisor, "sqs")


def test_check_says_what_cloudwatch_will_cost(world):
    path = write_configuration(world.folder, world.configuration(cloudwatch={"mode": "on"}), "check.json")
    done = run_sluice("check", "--config", path, env=world.environment())
    assert "  metrics  CloudWatch on, a period of 60 s: 3 metrics, $1.31 a month; 5 while the queue cannot be read" \
        in done.stdout, done.stdout
    assert "cloudwatch" not in [line for line in done.stdout.splitlines() if line.startswith("warning")]


def published(supervisor):
    return supervisor.status()["publishing"]


def test_gauges_are_published_by_both_ways_and_failures_hinder_nobody(world):
    supervisor = world.supervise(metrics={"cloudwatch": {"namespace": "Shop", "every": "10s"}, "emf": {"every": "5s"}})
    supervisor.wait_ready(2)
    wait_until(lambda: published(supervisor)["calls"] >= 2 and published(supervisor)["lines"] >= 2, what="rounds")
    lines = [json.loads(line) for line in supervisor.stdout().splitlines()]
    (directive,) = lines[-1]["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Sluice" and directive["Dimensions"] == [["Fleet"]]
    names = {metric["Name"] for metric in directive["Metrics"]}
    assert {"Visible", "InFlight", "Desired", "Ready", "Starting", "Stopping"} <= names
    assert "OldestMessageAge" not in names  # nobody knows it: left out, and no zero
    assert lines[-1]["Fleet"] == "orders" and lines[-1]["Desired"] == 2
    client = Client(world.server.url, service="monitoring")
    stored = cloudwatch(client, "ListMetrics", Namespace="Shop")["Metrics"]
    assert {metric["MetricName"] for metric in stored} == names
    assert {json.dumps(metric["Dimensions"]) for metric in stored} == {'[{"Name": "Fleet", "Value": "orders"}]'}
    client.close()
    world.faults([{"operation": "PutMetricData", "kind": "error", "code": "AccessDenied", "status": 403}])
    wait_until(lambda: published(supervisor)["failures"], what="a failure")
    assert "denied" in published(supervisor)["last_error"]
    seen = supervisor.fleet()["decisions"]
    supervisor.wait_fleet(lambda f: f["decisions"] > seen + 3, "further decisions")
    assert len(supervisor.messages("cannot publish metrics")) == 1
    path = write_configuration(world.folder, supervisor.config, "check.json")
    done = run_sluice("check", "--config", path, env=world.environment())
    assert "metrics are published by cloudwatch in namespace Shop every 10 s; it takes cloudwatch:PutMetricData" \
        in done.stdout


def cloudwatch(client, operation, **members):
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"GraniteServiceVersion20100801.{operation}"}
    status, _, data = client.post(json.dumps(members).encode(), headers)
    assert status == 200, data
    return json.loads(data)
