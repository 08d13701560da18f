"""The policy documents of deploy/iam: filled in, and judged against calls as AWS's Service Authorization Reference has it.

Only what the documents use is understood (Allow, `*` in resources, ArnEquals and StringEquals); everything else fails the test.
"""
import fnmatch
import json
import pathlib
import string

import harness

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "iam"
# What a user puts in; the values are those of the tests' worlds.
VALUES = {
    "AWS_PARTITION": "aws",
    "AWS_REGION": harness.REGION,
    "AWS_ACCOUNT_ID": harness.ACCOUNT,
    "SLUICE_QUEUE": "orders",
    "SLUICE_DEAD_LETTER_QUEUE": "dead",
    "SLUICE_CLUSTER": "default",
    "SLUICE_SERVICE": "orders",
    "SLUICE_LEASE_TABLE": "sluice",
    "SLUICE_METRICS_NAMESPACE": "Sluice",
    "SLUICE_SUPERVISOR_ROLE": "sluice-supervisor",
    "SLUICE_BASE_ROLE": "base",
    "SLUICE_REPOSITORY": "sluice",
    "SLUICE_LOG_GROUP": "/sluice/workers",
}
# What one permission covers: batches are no actions of their own, and metrics are signed for as "monitoring".
ACTIONS = {
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "monitoring:GetMetricData": "cloudwatch:GetMetricData",
    "monitoring:PutMetricData": "cloudwatch:PutMetricData",
}
# Actions that AWS checks against no resource, so that only "*" lets them pass.
WITHOUT_RESOURCE = {"ecs:ListTasks", "application-autoscaling:DescribeScalableTargets", "cloudwatch:GetMetricData",
                    "cloudwatch:PutMetricData", "ecr:GetAuthorizationToken"}
OPERATORS = {"ArnEquals", "StringEquals"}


def names():
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def text_of(name):
    return (FOLDER / f"{name}.json").read_text()


def placeholders(name):
    """The names in the text, each to be found in VALUES."""
    return {found.group("braced") for found in string.Template.pattern.finditer(text_of(name))}


def load(name, without=(), **values):
    """A document as IAM gets it, filled in, without the statements of some Sids."""
    document = json.loads(string.Template(text_of(name)).substitute({**VALUES, **values}))
    document["Statement"] = [s for s in document["Statement"] if s["Sid"] not in without]
    return document


def listed(value):
    return value if isinstance(value, list) else [value]


def actions(document):
    return sorted(action for statement in document["Statement"] for action in listed(statement["Action"]))


def action_of(service, operation):
    name = f"{service}:{operation}"
    return ACTIONS.get(name, name)


def arn(service, tail):
    return f"arn:aws:{service}:{harness.REGION}:{harness.ACCOUNT}:{tail}"


def concerns(service, operation, body):
    """(action, resources, context) of a call."""
    action = action_of(service, operation)
    if service == "sqs":
        return action, [arn("sqs", body.get("QueueName") or body["QueueUrl"].rsplit("/", 1)[1])], {}
    if service == "dynamodb":
        return action, [arn("dynamodb", f"table/{body['TableName']}")], {}
    if service == "ecs":
        return action, *ecs_resources(action, body)
    if service == "sts":
        return action, [body["RoleArn"]], {}
    assert action in WITHOUT_RESOURCE, f"whose resource is {action}?"
    return action, ["*"], {"cloudwatch:namespace": body.get("Namespace")}


def ecs_resources(action, body):
    cluster = body["cluster"].rsplit("/", 1)[-1]
    context = {"ecs:cluster": arn("ecs", f"cluster/{cluster}")}
    if action in WITHOUT_RESOURCE:
        return ["*"], context
    kind = "task" if "tasks" in body else "service"
    ids = body.get("tasks") or body.get("services") or [body["service"]]
    return [arn("ecs", f"{kind}/{cluster}/{each.rsplit('/', 1)[-1]}") for each in ids], context


def holds(conditions, context):
    for operator, wanted in conditions.items():
        assert operator in OPERATORS, operator
        for key, value in wanted.items():
            if context.get(key) not in listed(value):
                return False
    return True


def allows(document, action, resources, context):
    """Whether the document lets a call pass; every one of its resources must be covered."""
    def covered(resource):
        return any(statement["Effect"] == "Allow" and action in listed(statement["Action"])
                   and any(fnmatch.fnmatchcase(resource, pattern) for pattern in listed(statement["Resource"]))
                   and holds(statement.get("Condition", {}), context) for statement in document["Statement"])
    return all(covered(resource) for resource in resources)


def refused(document, calls):
    """Those of the calls (service, operation, body) that the document does not let pass."""
    judged = {json.dumps(concerns(*call), sort_keys=True): call for call in calls}
    return [text for text, call in judged.items() if not allows(document, *concerns(*call))]


def used(calls):
    return sorted({action_of(service, operation) for service, operation, _ in calls})
