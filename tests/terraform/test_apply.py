"""Applies the module to moto's AWS, lets the supervisor scale what it made, and takes it away again: minutes, so with --long
only, and where Terraform is present."""
import json
import os
import re
import shutil
import signal
import subprocess

import boto3
import pytest

from harness import BIN, wait_until
from means import LONG, TOOLS, Workspace, copy_module, terraform

pytestmark = pytest.mark.only_where(terraform() is not None and LONG)

APPLY_S = 1200
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-central-1"}
SERVICES = ("sqs", "sns", "ecs", "ecr", "iam", "sts", "logs", "cloudwatch", "ec2", "dynamodb", "servicediscovery")
# moto does not keep RedriveAllowPolicy, and the provider waits for it for minutes.
OVERRIDE = """
resource "aws_sqs_queue_redrive_allow_policy" "dead_letter" {
  for_each = {}
}
"""
# What moto tells otherwise than AWS: white space in a redrive policy, which a change of drops the queue's policy;
# some members are not kept; groups are named by their account, too.
SERVICE = {"availability_zone_rebalancing", "enable_ecs_managed_tags", "propagate_tags"}
RULE = {"referenced_security_group_id", "description"}
ODDITIES = {"aws_sqs_queue.work": {"redrive_policy", "policy"}, "aws_sqs_queue_policy.work": {"policy"},
            "aws_ecs_service.worker": SERVICE, "aws_ecs_service.supervisor": SERVICE,
            "aws_vpc_security_group_egress_rule.telemetry": RULE,
            "aws_vpc_security_group_ingress_rule.telemetry": RULE}
MAIN = """
provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true

  endpoints {
%(endpoints)s
  }
}

module "sluice" {
  source     = "./terraform"
  vpc_id     = "%(vpc)s"
  subnet_ids = ["%(subnet)s"]
  supervisor = { count = 2, lease = "30s", heartbeat = "5s" }
  telemetry  = { token_arn = "arn:aws:ssm:eu-central-1:123456789012:parameter/sluice/token" }

  fleets = {
    orders = {
      topic    = {}
      queue    = { poll = "3s" }
      capacity = { min = 2, target = 4, max = 6 }
      policy   = { scale_in_after = "10s", cooldown = "1s" }
      worker   = { quarantine_after = 10 }
    }
  }
}

output "configuration" {
  value = module.sluice.configuration
}
"""


def boto(service, url):
    return boto3.client(service, endpoint_url=url, region_name="eu-central-1", aws_access_key_id="test", aws_secret_access_key="test")


# Two tasks run of each service, as ordered at first: so its rollout is over for moto.
@pytest.fixture
def moto(spawn):
    python = TOOLS / "venv/bin/python"
    program = [str(python), "-c", "from moto.server import main; main(['-H', '127.0.0.1', '-p', '0'])"] if python.exists() else \
              [shutil.which("moto_server") or pytest.skip("no moto here"), "-H", "127.0.0.1", "-p", "0"]
    server = spawn(program, {**os.environ, "PYTHONUNBUFFERED": "1", "MOTO_ECS_SERVICE_RUNNING": "2"}, name="moto")

    def listening():
        return next((line.split()[-1] for line in server.stderr().splitlines() + server.stdout().splitlines() if "Running on http" in line), None)

    return wait_until(listening, timeout_s=120, what="moto to listen")


@pytest.fixture
def applied(moto, tmp_path):
    subnet = boto("ec2", moto).describe_subnets()["Subnets"][0]
    copy_module(tmp_path / "root/terraform")
    (tmp_path / "root/terraform/moto_override.tf").write_text(OVERRIDE)
    endpoints = "\n".join(f'    {name} = "{moto}"' for name in SERVICES)
    (tmp_path / "root/main.tf").write_text(MAIN % {"endpoints": endpoints, "vpc": subnet["VpcId"], "subnet": subnet["SubnetId"]})
    made = Workspace(tmp_path / "root", tmp_path)
    made.init()
    made.good("apply", "-auto-approve", "-no-color", "-parallelism=20", timeout_s=APPLY_S)
    return made


def changes(workspace, name):
    """What a plan would change, by address."""
    workspace.good("plan", f"-out={name}", "-no-color", timeout_s=APPLY_S)
    rows = json.loads(workspace.good("show", "-json", name))["resource_changes"]
    return {row["address"].removeprefix("module.sluice."): row["change"] for row in rows if row["change"]["actions"] not in (["no-op"], ["read"])}


def differing(change):
    before, after, unknown = (change[key] or {} for key in ("before", "after", "after_unknown"))
    return {name for name in {*before, *after} if before.get(name) != after.get(name) and not unknown.get(name)}


def test_applied_scaled_planned_again_and_destroyed(applied, moto, tmp_path, spawn):
    rendered = json.loads(json.loads(applied.good("output", "-json"))["configuration"]["value"])
    rendered["state_dir"] = str(tmp_path / "state")
    rendered["telemetry"]["listen"] = "127.0.0.1:0"
    env = {**os.environ, **KEYS, "AWS_ENDPOINT_URL": moto, "SLUICE_CONFIG": json.dumps(rendered), "SLUICE_TELEMETRY_TOKEN": "0123456789abcdef"}
    done = subprocess.run([BIN / "sluice", "check", "--config", "env:SLUICE_CONFIG", "--json"], env=env, timeout=120, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["warnings"] == []

    sqs, ecs = boto("sqs", moto), boto("ecs", moto)
    url = rendered["fleets"][0]["queue"]["url"]

    def desired():
        return ecs.describe_services(cluster="sluice", services=["sluice-orders"])["services"][0]["desiredCount"]

    assert desired() == 2
    supervisor = spawn([BIN / "sluice", "run", "--config", "env:SLUICE_CONFIG"], env, name="sluice")
    sns = boto("sns", moto)  # through the topic, which was subscribed
    topic = next(one["TopicArn"] for one in sns.list_topics()["Topics"])
    for first in range(0, 700, 10):
        sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[{"Id": str(i), "Message": f"m-{first + i}"} for i in range(10)])
    wait_until(lambda: desired() == 6, 300, "the desired count to be the maximum")
    alive = subprocess.run([BIN / "sluice", "health", "--config", "env:SLUICE_CONFIG"], env=env, timeout=60, check=False)
    assert alive.returncode == 0

    # A later run of Terraform leaves the count alone, and moto's own oddities are all that it would change.
    again = {address.split("[")[0]: differing(change) for address, change in changes(applied, "second").items()}
    assert "desired_count" not in again.get("aws_ecs_service.worker", ())
    more = {address: sorted(names - ODDITIES.get(address, set())) for address, names in again.items()}
    assert not any(more.values()), more
    assert desired() == 6

    sqs.purge_queue(QueueUrl=url)
    wait_until(lambda: desired() == 2, 300, "the desired count to be the minimum")
    supervisor.signal(signal.SIGTERM)
    assert supervisor.wait(60) == 0, supervisor.stderr()[-4000:]

    # To leave without the queues, as README.md has it: they are forgotten, and then not destroyed.
    kept = [line for line in applied.good("state", "list").splitlines() if re.search("[.]aws_(sqs|sns)_", line)]
    assert sorted(one.split(".")[2] + "." + one.split(".")[3].split("[")[0] for one in kept if not one.startswith("module.sluice.data.")) == [
        "aws_sns_topic.work", "aws_sns_topic_policy.work", "aws_sns_topic_subscription.work", "aws_sqs_queue.dead_letter", "aws_sqs_queue.work",
        "aws_sqs_queue_policy.dead_letter", "aws_sqs_queue_policy.work"]
    shutil.copytree(applied.folder, tmp_path / "leaving", symlinks=True)
    leaving = Workspace(tmp_path / "leaving", tmp_path)
    leaving.good("state", "rm", *kept)
    leaving.good("plan", "-destroy", "-out=away", "-no-color", timeout_s=APPLY_S)
    going = {row["address"].split(".")[2] for row in json.loads(leaving.good("show", "-json", "away"))["resource_changes"] if row["change"]["actions"] == ["delete"]}
    assert "aws_ecs_service" in going and not [one for one in going if one.startswith(("aws_sqs_", "aws_sns_"))]

    told = applied.good("destroy", "-auto-approve", "-no-color", "-parallelism=20", timeout_s=APPLY_S)
    # The supervisor leaves first: what is destroyed is not scaled out.
    assert told.index("aws_ecs_service.supervisor: Destruction complete") < told.index('aws_ecs_service.worker["orders"]: Destroying...')
    assert sqs.list_queues().get("QueueUrls", []) == []
    assert [one for one in ecs.list_clusters()["clusterArns"] if one.endswith("/sluice")] == [] or \
        ecs.describe_clusters(clusters=["sluice"])["clusters"][0]["status"] == "INACTIVE"
