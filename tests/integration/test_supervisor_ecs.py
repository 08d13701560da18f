"""The supervisor's ECS fleets from outside, against sluice-localaws: scaling, foreign writers, rollouts, throttling, refusals."""
import json
import signal

import pytest

from ecs_client import EcsError
from ecs_world import QUICK, make, scaling  # noqa: F401, fixtures
from harness import BIN, wait_until
from supervisor_harness import Supervisor, configuration, run_sluice, write_configuration


def changes(supervisor):
    return [(line["from"], line["to"]) for line in supervisor.messages("decision")]


def whys(supervisor):
    return {line["why"] for line in supervisor.journal() if "why" in line}


def service_of(fleet):
    return fleet["service"]


def test_the_desired_count_rises_and_falls_and_nothing_else_changes(make):
    world = make()
    world.create(2)
    supervisor = world.supervise()
    supervisor.wait_ready(2)
    before = world.ecs.service()
    world.send(700)
    world.wait_desired(20)
    fleet = supervisor.wait_ready(20)
    assert fleet["type"] == "ecs" and fleet["starting"] == 0
    assert service_of(fleet)["writes"] == len(changes(supervisor))
    world.sqs.purge(world.queue_url)
    world.wait_desired(2)
    supervisor.wait_ready(2)
    after = world.ecs.service()
    assert after["taskDefinition"] == before["taskDefinition"]
    assert [d["id"] for d in after["deployments"]] == [d["id"] for d in before["deployments"]]
    assert service_of(supervisor.fleet())["drifts"] == 0
    # Patiently: one step after another, never below the limits.
    down = [to for start, to in changes(supervisor) if to < start]
    assert down == [11, 7, 5, 4, 3, 2]


def test_ordered_tasks_count_as_starting_and_stopping_ones_are_kept_in_the_account(make):
    world = make(latency="40s")
    world.create(2)
    supervisor = world.supervise()
    world.send(700)
    world.wait_desired(20)
    fleet = supervisor.wait_fleet(lambda f: f["desired"] == 20 and f["starting"], "tasks that start")
    assert fleet["ready"] + fleet["starting"] == 20
    assert changes(supervisor)[-1][1] == 20
    supervisor.wait_ready(20)
    assert len(changes(supervisor)) <= 3  # no double order while they started


def test_growth_goes_on_and_no_shrink_is_written_while_the_service_cannot_be_described(make):
    world = make()
    world.create(2)
    supervisor = world.supervise()
    supervisor.wait_ready(2)
    world.server.faults("POST", {"operation": "DescribeServices", "kind": "throttle"})
    supervisor.wait_fleet(lambda f: service_of(f)["looks_failed_in_a_row"] > 0, "a throttled look")
    world.send(700)

    def written():
        counts = world.server.faults()
        return service_of(supervisor.fleet())["writes"] >= 1 and counts

    wait_until(written, timeout_s=60, what="a raise")
    supervisor.wait_fleet(lambda f: f["desired"] == 20, "growth")
    world.sqs.purge(world.queue_url)
    wait_until(lambda: "fleet_unknown" in whys(supervisor), timeout_s=60, what="a shrink that is held")
    fleet = supervisor.fleet()
    assert fleet["desired"] == 20
    assert "throttled" in service_of(fleet)["look_error"].lower()
    assert all(to > start for start, to in changes(supervisor))
    world.server.faults("DELETE")
    assert world.desired() == 20
    world.wait_desired(2)
    assert service_of(supervisor.fleet())["drifts"] == 0
    assert len(supervisor.messages("cannot describe the ECS service; no shrink until it can be")) == 1


def test_a_throttled_update_is_tried_again_one_at_a_time(make):
    world = make()
    world.create(2)
    supervisor = world.supervise()
    supervisor.wait_ready(2)
    world.server.faults("POST", {"operation": "UpdateService", "kind": "throttle", "count": 7})
    world.send(700)
    world.wait_desired(20)
    fleet = supervisor.wait_ready(20)
    assert service_of(fleet)["write_failures"] >= 2 and service_of(fleet)["write_error"] is None
    assert service_of(fleet)["drifts"] == 0
    assert len(supervisor.messages("cannot set the service's desired count, trying again")) == 1


def test_an_update_whose_answer_is_lost_is_no_drift(make):
    world = make()
    world.create(2)
    supervisor = world.supervise()
    supervisor.wait_ready(2)
    world.server.faults("POST", {"operation": "UpdateService", "kind": "reset", "after": True})
    world.send(700)
    world.wait_desired(20)
    supervisor.wait_fleet(lambda f: service_of(f)["write_failures"] >= 1, "a write that seems to fail")
    fleet = supervisor.wait_fleet(lambda f: not service_of(f)["order_pending"], "the order to be done with")
    world.server.faults("DELETE")
    assert service_of(fleet)["drifts"] == 0
    assert service_of(supervisor.wait_ready(20))["drifts"] == 0


def test_a_service_that_was_just_made_may_be_missing_for_a_while(make):
    world = make(args=("--ecs-visible-after", "30s"))
    world.create(3)
    supervisor = world.supervise()
    supervisor.wait_fleet(lambda f: service_of(f)["missing"], "MISSING")
    fleet = supervisor.fleet()
    assert fleet["desired"] is None and fleet["ready"] is None
    world.send(700)
    supervisor.wait_ready(20)
    assert world.desired() == 20
    assert supervisor.messages("there is no such ECS service (MISSING): holding") == []
    assert [line["desired_count"] for line in supervisor.messages("found the ECS service")] == [3]


def test_a_service_that_is_not_there_is_told_once_and_found_when_it_comes(make):
    world = make()
    supervisor = world.supervise(missing_grace="5s")
    wait_until(lambda: supervisor.messages("there is no such ECS service (MISSING): holding"), timeout_s=60,
               what="the error")
    world.send(50)
    wait_until(lambda: "fleet_unknown" in whys(supervisor), timeout_s=60, what="a held growth")
    world.create(4)
    supervisor.wait_fleet(lambda f: f["desired"] is not None and f["desired"] >= 4, "the service")
    assert len(supervisor.messages("there is no such ECS service (MISSING): holding")) == 1


def test_a_foreign_write_in_mid_sale_is_adopted_and_grown_from(make):
    world = make()
    world.create(2)
    # Cooldowns of an hour: if the adoption stamped one, or went by the old one's rank, nothing would grow again.
    supervisor = world.supervise(policy={"scale_in_after": "1h", "cooldown": "1h",
                                         "steps": [{"above": 20, "add": 3}, {"above": 600, "to": "max"}]})
    supervisor.wait_ready(2)
    world.send(30)
    world.wait_desired(5)
    supervisor.wait_ready(5)
    world.set_desired(9)
    fleet = supervisor.wait_fleet(lambda f: f["desired"] == 9, "adoption")
    assert service_of(fleet)["last_drift"]["from"] == 5 and service_of(fleet)["last_drift"]["to"] == 9
    assert service_of(fleet)["drifts"] == 1
    world.send(700)
    world.wait_desired(20)
    (line,) = supervisor.messages("somebody else has set the service's desired count")
    assert (line["from"], line["to"], line["on_drift"]) == (5, 9, "adopt")
    assert changes(supervisor)[-1] == (9, 20)
    # The journal tells the state from which decisions went on.
    states = [r["state"]["desired"] for r in supervisor.journal() if "state" in r]
    assert 9 in states
    assert json.loads((supervisor.state_dir / "orders.state.json").read_text())["desired"] == 20


def test_a_foreign_value_below_min_is_raised_to_min_at_once(make):
    world = make()
    world.create(4)
    supervisor = world.supervise(policy={"scale_in_after": "1h", "cooldown": "1h"})
    supervisor.wait_ready(4)
    world.set_desired(0)
    wait_until(lambda: supervisor.messages("somebody else has set the service's desired count"), what="the drift")
    world.wait_desired(2)
    assert changes(supervisor) == []


def test_a_foreign_value_above_max_is_told_and_left_until_the_policy_shrinks(make):
    world = make()
    world.create(4)
    supervisor = world.supervise(maximum=10, policy={"scale_in_after": "40s", "cooldown": "2s"})
    supervisor.wait_ready(4)
    world.send(10)  # between the lines: no change is wanted
    world.set_desired(25)
    fleet = supervisor.wait_fleet(lambda f: service_of(f)["over_max"] and f["ready"] == 25, "the foreign value")
    assert fleet["desired"] == 10
    seen = fleet["decisions"]
    supervisor.wait_fleet(lambda f: f["decisions"] > seen + 20, "further decisions")
    assert world.desired() == 25 and changes(supervisor) == []
    told = "the service's desired count is above max: left so until the policy shrinks"
    assert len(supervisor.messages(told)) == 1
    world.sqs.purge(world.queue_url)
    world.wait_desired(6)
    assert changes(supervisor)[0] == (10, 6)


def test_reassert_writes_the_order_again_and_says_so(make):
    world = make()
    world.create(6)
    supervisor = world.supervise(on_drift="reassert", policy={"scale_in_after": "1h", "cooldown": "20s"})
    supervisor.wait_ready(6)
    world.set_desired(3)
    world.wait_desired(6)
    line = wait_until(lambda: supervisor.messages("writing the desired count again over a foreign one "
                                                  "(on_drift: reassert)"), what="the words")[0]
    assert (line["foreign"], line["desired"]) == (3, 6)
    first_ms = world_time(supervisor)
    world.set_desired(4)
    world.wait_desired(6)
    # The second one waited for the cooldown (20 s of product time after the first write).
    assert world_time(supervisor) - first_ms > 10000
    fleet = supervisor.fleet()
    assert service_of(fleet)["reassertions"] == 2 and fleet["desired"] == 6
    assert changes(supervisor) == []


def world_time(supervisor):
    return supervisor.status()["now_ms"]


def test_nothing_is_taken_away_during_a_rollout(make):
    world = make(latency="20s")
    world.create(12)
    supervisor = world.supervise(maximum=20)
    world.send(10)  # between the lines
    supervisor.wait_ready(12)
    world.ecs.call("UpdateService", service="orders", forceNewDeployment=True)
    supervisor.wait_fleet(lambda f: service_of(f)["rollout_in_progress"], "the rollout")
    world.sqs.purge(world.queue_url)
    wait_until(lambda: "rollout" in whys(supervisor), timeout_s=60, what="a held shrink")
    world.wait_desired(7)
    # When it fell the rollout had ended.
    records = [r for r in supervisor.journal() if "why" in r]
    first = next(i for i, r in enumerate(records) if r["to"] < r["from"])
    held = [i for i, r in enumerate(records) if r["why"] == "rollout"]
    assert held and max(held) < first
    assert records[first]["obs"]["scale_in_hold"]["value"] == 0


def test_tasks_that_do_not_start_stop_further_growth_and_are_told_with_ecs_own_reason(make):
    world = make(tasks="run")
    world.create(2, command=["/nonexistent/worker"])
    supervisor = world.supervise(policy={"scale_in_after": "1h", "cooldown": "2s", "steps": [{"above": 20, "add": 1}]})
    fleet = supervisor.wait_fleet(lambda f: service_of(f)["failing"] == "tasks_fail", "failing tasks")
    assert fleet["ready"] == 0 and fleet["starting"] == 0 and fleet["backoff"] == fleet["desired"]
    world.send(100)
    wait_until(lambda: "tasks_fail" in whys(supervisor), timeout_s=60, what="growth that is held")
    before = world.desired()
    seen = supervisor.fleet()["decisions"]
    fleet = supervisor.wait_fleet(lambda f: f["decisions"] > seen + 20, "further decisions")
    assert world.desired() == before
    (line,) = supervisor.messages("the service's tasks do not start: no further growth until one does")
    assert line["failed_tasks"] >= 3
    reason = wait_until(lambda: service_of(supervisor.fleet())["failing_reason"], what="ECS's own words")
    assert "orders" in reason or "nonexistent" in reason, reason


@pytest.mark.parametrize("more, desired, word", [
    ({"schedulingStrategy": "DAEMON"}, None, "DAEMON"),
    ({"deploymentController": {"type": "CODE_DEPLOY"}}, 3, "CODE_DEPLOY"),
    ({"deploymentController": {"type": "EXTERNAL"}}, 3, "EXTERNAL")])
def test_a_service_that_cannot_be_scaled_is_refused_by_run_and_check(make, more, desired, word):
    world = make()
    try:
        world.create(desired, **more)
    except EcsError as error:
        pytest.skip(f"localaws: {error}")
    before = world.ecs.service().get("desiredCount")
    supervisor = world.supervise()
    world.send(700)
    fleet = supervisor.wait_fleet(lambda f: service_of(f)["refused"], "the refusal")
    assert word in service_of(fleet)["refused"]
    wait_until(lambda: "fleet_refused" in whys(supervisor), what="growth that is held")
    assert world.ecs.service().get("desiredCount") == before and service_of(fleet)["writes"] == 0
    done = check(world)
    assert done.returncode == 78 and f"refused: orders: service orders cannot be scaled: " in done.stdout
    assert word in done.stdout


TARGET = {"ServiceNamespace": "ecs", "ResourceId": "service/default/orders", "MinCapacity": 1, "MaxCapacity": 9,
          "ScalableDimension": "ecs:service:DesiredCount"}
SUSPENDED = {f"{name}Suspended": True for name in ("DynamicScalingIn", "DynamicScalingOut", "ScheduledScaling")}


def check(world, *arguments, **settings):
    path = write_configuration(world.folder, world.configuration(**settings), "check.json")
    return run_sluice("check", "--config", path, *arguments, env=world.environment())


def test_a_service_that_application_auto_scaling_scales_is_refused(make, scaling):
    scaling.targets = [TARGET]
    world = make()
    world.create(3)
    supervisor = world.supervise()
    world.send(700)
    fleet = supervisor.wait_fleet(lambda f: service_of(f)["refused"], "the refusal")
    assert "allow_autoscaling" in service_of(fleet)["refused"] and service_of(fleet)["autoscaling"] == "acts"
    wait_until(lambda: "fleet_refused" in whys(supervisor), what="growth that is held")
    assert world.desired() == 3
    assert scaling.requests[0] == ("AnyScaleFrontendService.DescribeScalableTargets", {
        "ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount",
        "ResourceIds": ["service/default/orders"]})
    done = check(world)
    assert done.returncode == 78 and "refused: orders: Application Auto Scaling scales service orders, too" in done.stdout
    told = json.loads(check(world, "--json").stdout)
    assert told["valid"] is False and [r["code"] for r in told["refusals"]] == ["ecs_autoscaling"]


@pytest.mark.parametrize("targets, error, settings, state, warnings", [
    ([{**TARGET, "SuspendedState": SUSPENDED}], None, {}, "suspended", 0),
    ([TARGET], None, {"allow_autoscaling": True}, "acts", 1),
    ([], "AccessDeniedException", {}, "unchecked", 1),
    ([{**TARGET, "ResourceId": "service/default/other"}], None, {}, "none", 0)])
def test_what_is_no_second_scaler_is_no_refusal(make, scaling, targets, error, settings, state, warnings):
    scaling.targets, scaling.error = targets, error
    world = make()
    world.create(3)
    supervisor = world.supervise(**settings)
    world.send(700)
    world.wait_desired(20)
    service = service_of(supervisor.fleet())
    assert service["autoscaling"] == state and len(service["warnings"]) == warnings and service["refused"] is None


def test_a_check_for_a_second_scaler_that_was_given_up_is_made_again(make, scaling):
    scaling.error = "InternalServiceException"
    world = make()
    world.create(3)
    supervisor = world.supervise()
    supervisor.wait_fleet(lambda f: service_of(f)["autoscaling"] == "unchecked", "the check to be given up")
    scaling.targets, scaling.error = [TARGET], None
    fleet = supervisor.wait_fleet(lambda f: service_of(f)["refused"], "the refusal")
    assert service_of(fleet)["autoscaling"] == "acts"


def test_a_supervisor_that_was_killed_goes_on_from_its_state_and_one_that_is_stopped_leaves_the_service_alone(make):
    world = make()
    world.create(2)
    supervisor = world.supervise()
    supervisor.wait_ready(2)
    world.send(700)
    supervisor.wait_ready(20)
    supervisor.signal(signal.SIGKILL)
    supervisor.wait()
    again = world.supervise(name="again")
    again.wait_ready(20)
    assert service_of(again.fleet())["drifts"] == 0 and service_of(again.fleet())["writes"] == 0
    assert again.stop() == 0
    assert world.desired() == 20
    assert [line["desired_count"] for line in again.messages("leaving the ECS service as it is")] == [20]
    # Without a state, and nothing to do: the service's own count is the base.
    (again.state_dir / "orders.state.json").unlink()
    world.sqs.purge(world.queue_url)
    third = world.supervise(name="third", policy={"scale_in_after": "1h"})
    assert third.wait_ready(20)["desired"] == 20
    assert [(line["told"], line["base"]) for line in third.messages("took the desired count as the base")] == [(20, 20)]


def test_check_describes_the_service_and_changes_nothing(make):
    world = make()
    world.create(5)
    world.ecs.wait_running(5)
    done = check(world)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 to 20 tasks of ECS service orders in cluster default, target 20" in done.stdout
    assert "service  ACTIVE, desired count 5: 5 running, 0 pending" in done.stdout
    told = json.loads(check(world, "--json").stdout)
    assert told["ecs_services"]["orders"]["desired_count"] == 5
    assert told["config"]["fleets"][0]["fleet"]["service"] == "orders"
    assert "ecs_over_max" in check(world, "--json", maximum=4).stdout
    assert "MISSING" in check(world, service="nobody").stdout
    assert world.desired() == 5
    offline = check(world, "--offline", service="nobody")
    assert offline.returncode == 0 and "MISSING" not in offline.stdout


def test_status_tells_of_the_service_in_words(make):
    world = make()
    world.create(5)
    supervisor = world.supervise()
    supervisor.wait_ready(5)
    done = run_sluice("status", "--socket", supervisor.socket, env=world.environment())
    assert "service  default/orders ACTIVE: desired count 5, 5 running, 0 pending" in done.stdout


def test_many_fleets_share_calls(make, tmp_path):
    world = make()
    world.ecs.register(["none"])
    fleets = []
    for i in range(25):
        queue = world.sqs.create(f"q{i}")
        world.ecs.call("CreateService", serviceName=f"s{i}", taskDefinition="worker", desiredCount=3)
        one = configuration(tmp_path, queue, [], name=f"f{i}")["fleets"][0]
        one["fleet"] = {"type": "ecs", "cluster": "default", "service": f"s{i}", "describe": "10s"}
        fleets.append(one)
    config = {**world.configuration(), "fleets": fleets}
    supervisor = Supervisor(world.folder, config, world.environment())
    world.started.append(supervisor)

    def all_ready():
        status = supervisor.status()
        return all(f["ready"] == 3 for f in status["fleets"]) and status

    status = wait_until(all_ready, timeout_s=60, what="all fleets")
    (limits,) = status["aws"]["ecs"]
    # 25 services are three calls a round; one look after the first needs tasks to have started.
    rounds = (status["now_ms"] - status["started_ms"]) / 9000 + 1
    assert limits["service_read"]["calls"] <= 4 * rounds
    # Fleets start in slices, so that a slow machine asks more than once.
    assert limits["autoscaling"]["calls"] * 5 <= len(fleets)
    assert {f["service"]["name"] for f in status["fleets"]} == {f"s{i}" for i in range(25)}


def test_real_workers_as_tasks_complete_every_message(make):
    world = make(tasks="run", latency="1s")
    world.create(1, command=[BIN / "sluice-worker", "--handler", "noop", "--noop-time", "200ms"],
                 environment={"SQS_QUEUE_URL": world.queue_url, "NUM_WORKERS": "4"})
    supervisor = world.supervise(minimum=1, maximum=3, policy={**QUICK, "scale_in_busy_share": 0})
    world.send(700)
    wait_until(lambda: world.sqs.counts(world.queue_url) == (0, 0), timeout_s=120, what="an empty queue")
    supervisor.wait_ready(1)
    fleet = supervisor.wait_fleet(lambda f: f["stopping"] == 0, "all stopping tasks to end")
    assert max(to for _, to in changes(supervisor)) == 3 and fleet["desired"] == 1
