"""The task definitions of deploy/ecs, filled in as a user does."""
import json
import pathlib
import string

from iam_policies import VALUES

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "ecs"
# What the policies do not have; the values are those of the tests' worlds.
ECS_VALUES = {
    "SLUICE_WORKER_ROLE": "sluice-worker",
    "SLUICE_EXECUTION_ROLE": "sluice-execution",
    "SLUICE_WORKER_IMAGE": "123456789012.dkr.ecr.us-east-1.amazonaws.com/sluice-worker:0.1.0",
    "SLUICE_SUPERVISOR_IMAGE": "123456789012.dkr.ecr.us-east-1.amazonaws.com/sluice-supervisor:0.1.0",
    "SLUICE_SUPERVISOR_HOST": "supervisor.internal",
    "SLUICE_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/orders",
    "SLUICE_TELEMETRY_TOKEN_ARN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:sluice-telemetry-AbCdEf",
}


def definition(name, **values):
    text = (FOLDER / f"{name}.json").read_text()
    return json.loads(string.Template(text).substitute({**VALUES, **ECS_VALUES, **values}))
