"""sluice doctor: credentials and where they are from, endpoints, and every permission tried without changing anything."""
import json

import pytest

import harness
from ecs_client import Ecs
from supervisor_harness import World, configuration, run_sluice, scripted, write_configuration


@pytest.fixture(name="world")
def make_world(tmp_path, localaws):
    return World(tmp_path, localaws, args=("--ecs-tasks", "pretend"))


def findings(done):
    return [(f["area"], f["name"], f["outcome"], f["text"]) for f in json.loads(done.stdout)["findings"]]


def permissions(done):
    return {name: outcome for area, name, outcome, _ in findings(done) if area == "permission"}


def with_fleets(world):
    config = world.configuration(scripted())
    ecs = {"name": "tasks", "queue": {"name": "orders", "cloudwatch": {"mode": "on"}}, "capacity": {"min": 1, "max": 3},
           "policy": {"type": "threshold"}, "fleet": {"type": "ecs", "cluster": "default", "service": "tasks"}}
    config["fleets"].append(ecs)
    return write_configuration(world.folder, config)


def test_all_is_well_and_nothing_is_changed(world):
    ecs = Ecs(world.server.url)
    ecs.register(["none"])
    ecs.call("CreateService", serviceName="tasks", taskDefinition="worker", desiredCount=2)
    world.sqs.send(world.queue_url, ["a", "b"])
    before = ecs.call("DescribeServices", services=["tasks"])["services"][0]
    done = run_sluice("doctor", "--config", with_fleets(world), "--json", env=world.environment())
    assert done.returncode == 0, done.stdout + done.stderr
    assert {name for name, outcome in permissions(done).items() if outcome != "ok"} == {"sqs:ReceiveMessage"}
    assert set(permissions(done)) - {"sqs:ReceiveMessage"} == {
        "sqs:GetQueueUrl", "sqs:GetQueueAttributes", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "ecs:DescribeServices",
        "ecs:UpdateService", "ecs:ListTasks", "ecs:DescribeTasks", "ecs:UpdateTaskProtection",
        "cloudwatch:GetMetricData", "application-autoscaling:DescribeScalableTargets"}
    assert ("credentials", "source", "ok", "environment") in findings(done)
    after = ecs.call("DescribeServices", services=["tasks"])["services"][0]
    assert [d["id"] for d in after["deployments"]] == [d["id"] for d in before["deployments"]]
    assert after["desiredCount"] == 2
    assert world.sqs.counts(world.queue_url) == (2, 0)
    words = run_sluice("doctor", "--config", with_fleets(world), env=world.environment()).stdout
    assert "all is well" in words and f"key that ends in {harness.ACCESS_KEY[-4:]}" in words
    for secret in (harness.SECRET_KEY, harness.ACCESS_KEY):
        assert secret not in words and secret not in done.stdout


def test_what_is_denied_or_missing_is_told_by_name(world):
    world.server.faults("POST", {"operation": "DeleteMessage", "kind": "error", "code": "AccessDenied", "status": 403,
                                 "message": "no"})
    done = run_sluice("doctor", "--config", with_fleets(world), "--json", env=world.environment())
    assert done.returncode == 1
    told = permissions(done)
    assert told["sqs:DeleteMessage"] == "failed" and told["sqs:ChangeMessageVisibility"] == "ok"
    text = next(text for _, name, _, text in findings(done) if name == "sqs:DeleteMessage")
    assert text.startswith("denied, workers delete what is done (AccessDenied")
    assert told["ecs:UpdateService"] == "failed"  # there is no such service
    one = run_sluice("doctor", "--config", with_fleets(world), "--fleet", "orders", "--json", env=world.environment())
    assert "ecs:UpdateService" not in permissions(one)


def test_an_endpoint_that_is_down_and_a_wrong_secret(world):
    path = with_fleets(world)
    wrong = run_sluice("doctor", "--config", path, "--fleet", "orders", "--json",
                       env=world.environment(AWS_SECRET_ACCESS_KEY="wrong"))
    assert wrong.returncode == 1 and permissions(wrong)["sqs:GetQueueAttributes"] == "failed"
    env = world.environment()
    world.server.kill()
    done = run_sluice("doctor", "--config", path, "--fleet", "orders", "--json", env=env)
    assert done.returncode == 1
    assert any(area == "endpoint" and outcome == "failed" and "does not answer" in text
               for area, _, outcome, text in findings(done))


def without_credentials(env, home):
    env = {k: v for k, v in env.items() if k not in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    return env | {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(home)}


def test_without_credentials_endpoints_and_clock_are_looked_at_all_the_same(world, tmp_path):
    env = without_credentials(world.environment(), tmp_path)
    done = run_sluice("doctor", "--config", with_fleets(world), "--json", env=env)
    assert done.returncode == 1 and not permissions(done)
    told = [(area, name, outcome) for area, name, outcome, _ in findings(done)]
    assert ("credentials", "keys", "failed") in told and ("clock", "", "ok") in told
    assert [outcome for area, _, outcome in told if area == "endpoint"] == ["ok"]  # one server for all services
    assert "identity" not in {area for area, _, _ in told}
    bare = [(area, outcome) for area, _, outcome, _ in findings(run_sluice("doctor", "--json", env=env))]
    assert bare == [("credentials", "failed"), ("region", "ok"), ("endpoint", "ok"), ("clock", "ok")]


def test_no_credentials_names_every_source_and_why_not(tmp_path):
    done = run_sluice("doctor", "--json", env=without_credentials(harness.environment("http://127.0.0.1:9"), tmp_path))
    assert done.returncode == 1
    (_, _, outcome, text), = [f for f in findings(done) if f[0] == "credentials"]
    assert outcome == "failed"
    for source in ("environment", "profile", "AWS_WEB_IDENTITY_TOKEN_FILE", "container", "AWS_EC2_METADATA_DISABLED"):
        assert source.lower() in text.lower(), text


@pytest.mark.parametrize("expiration, outcome, words", [("2020-01-01T00:00:00Z", "warning", "ended "),
                                                        ("2040-01-01T00:00:00Z", "ok", "valid for ")])
def test_keys_that_have_ended_are_no_good_news(world, expiration, outcome, words):
    done = run_sluice("doctor", "--json", env=world.environment(AWS_SESSION_TOKEN="t", AWS_CREDENTIAL_EXPIRATION=expiration))
    (told, text), = [(o, t) for area, name, o, t in findings(done) if (area, name) == ("credentials", "keys")]
    assert told == outcome and words in text


def test_usage(tmp_path):
    config = write_configuration(tmp_path, configuration(tmp_path, "http://127.0.0.1:1/123456789012/orders", scripted()))
    for arguments, code, words in ((["--fleet", "x"], 64, "--fleet needs --config"),
                                   (["--config", config, "--fleet", "x"], 64, "has no fleet of that name"),
                                   (["--config", tmp_path / "none.json"], 78, "none.json")):
        done = run_sluice("doctor", *arguments)
        assert (done.returncode, words in done.stderr) == (code, True), done.stderr
