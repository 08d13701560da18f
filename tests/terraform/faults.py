"""Faults that are put into copies of terraform/: where, what is replaced by what, and what the checks say of it. `parser`
is what tfcheck.js says, `terraform` what "terraform validate" does; None: it does not notice."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    name: str
    file: str
    find: str
    replace: str
    parser: str
    terraform: str

    def apply(self, folder):
        path = folder / self.file
        text = path.read_text()
        assert text.count(self.find) >= 1, f"{self.name}: {self.find!r} is not in {self.file}"
        path.write_text(text.replace(self.find, self.replace, 1))


FAULTS = [
    Fault("unknown-argument", "queue.tf", "  receive_wait_time_seconds ", "  receive_wait_seconds ",
          "unknown argument receive_wait_seconds", "Unsupported argument"),
    Fault("unknown-argument-in-a-block", "cluster.tf", "    scan_on_push = true", "    scan_on_pull = true",
          "unknown argument scan_on_pull", "Unsupported argument"),
    Fault("unknown-argument-in-a-dynamic-block", "worker.tf", "      base              = capacity", "      floor             = capacity",
          "unknown argument floor", "Unsupported argument"),
    Fault("unknown-block", "supervisor.tf", 'dynamic "service_registries"', 'dynamic "service_registry"',
          "unknown block service_registry", "Unsupported block type"),
    Fault("missing-argument", "alarms.tf", "  comparison_operator = each.value.breach[1]\n", "",
          "missing argument comparison_operator", "Missing required argument"),
    Fault("missing-block", "iam.tf", '      type        = "Service"\n', "",
          "missing argument type", "Missing required argument"),
    Fault("unknown-type", "supervisor.tf", 'resource "aws_dynamodb_table" "lease"', 'resource "aws_dynamo_table" "lease"',
          "unknown type", "Invalid resource type"),
    Fault("argument-that-aws-tells", "queue.tf", "  topic_arn            = ", '  arn                  = "x"\n  topic_arn            = ',
          "arn is told by AWS", "Value for unconfigurable attribute"),
    Fault("undeclared-variable", "queue.tf", "var.tags", "var.tag", "var.tag is not declared", "Reference to undeclared input variable"),
    Fault("undeclared-local", "supervisor.tf", "length(local.configuration)", "length(local.configurations)",
          "local.configurations is not declared", "Reference to undeclared local value"),
    Fault("undeclared-resource", "outputs.tf", "aws_security_group.this[", "aws_security_group.these[",
          "aws_security_group.these is not declared", "Reference to undeclared resource"),
    Fault("undeclared-data", "main.tf", "data.aws_partition.current.partition", "data.aws_partition.here.partition",
          "data.aws_partition.here is not declared", "Reference to undeclared resource"),
    Fault("unknown-attribute-of-a-resource", "supervisor.tf", "aws_ecs_task_definition.supervisor.arn", "aws_ecs_task_definition.supervisor.arm",
          "aws_ecs_task_definition.supervisor has no attribute arm", "Unsupported attribute"),
    Fault("wrong-ignore-changes", "worker.tf", "ignore_changes = [desired_count]", "ignore_changes = [desired_counts]",
          "ignore_changes: unknown argument desired_counts", "Unsupported attribute"),
    Fault("missing-module-input", "examples/flash-sale/main.tf", "  vpc_id           = var.vpc_id\n", "",
          "missing input vpc_id", "Missing required argument"),
    Fault("unknown-module-input", "examples/flash-sale/main.tf", "  subnet_ids ", "  subnets ",
          "unknown input subnets", "Unsupported argument"),
    Fault("unknown-module-output", "examples/multi-fleet/outputs.tf", "module.sluice.configuration", "module.sluice.config",
          "module.sluice has no output config", "Unsupported attribute"),
    Fault("each-without-for-each", "supervisor.tf", '  name         = "${var.name}-lease"', '  name         = "${each.key}-lease"',
          "each.key without for_each", 'Reference to "each" in context without for_each'),
    Fault("unused-variable", "variables.tf", 'variable "tags" {', 'variable "spare" {\n  description = "Nothing."\n  type        = string\n  default     = ""\n}\n\nvariable "tags" {',
          "variable spare is not used", None),
    Fault("unused-local", "main.tf", "  account   = ", '  spare     = "x"\n  account   = ', "local spare is not used", None),
    Fault("unused-data", "main.tf", 'data "aws_region" "current" {}', 'data "aws_region" "current" {}\ndata "aws_region" "spare" {}',
          "data aws_region.spare is not used", None),
    Fault("variable-without-type", "variables.tf", "  type        = map(string)\n", "", "variable tags has no type", None),
    Fault("wrong-value", "cluster.tf", "image_tag_mutability = \"IMMUTABLE\"", "image_tag_mutability = \"FIXED\"", None, "expected image_tag_mutability"),
    Fault("autoscaling", "worker.tf", 'resource "aws_ecs_service" "worker" {',
          'resource "aws_appautoscaling_target" "worker" {\n  max_capacity       = 30\n  min_capacity       = 2\n  resource_id        = "service/a/b"\n'
          '  scalable_dimension = "ecs:service:DesiredCount"\n  service_namespace  = "ecs"\n}\n\nresource "aws_ecs_service" "worker" {',
          "Application Auto Scaling and a supervisor would write over each other", None),
]
# What is valid and wrong: "terraform test" says this of it, each in words that no other one causes.
WRONG = [
    Fault("plain-http", "queue.tf", '      values   = ["false"]', '      values   = ["true"]', None, "both queues refuse plain HTTP"),
    Fault("no-encryption", "queue.tf", "each.value.queue.kms_key_arn == null ? true : null\n  tags                       = var.tags",
          "null\n  tags                       = var.tags", None, "a dead-letter queue, and encryption"),
    Fault("any-dead-letters", "queue.tf", '"byQueue"', '"allowAll"', None, "dead letters of this queue alone"),
    Fault("confused-deputy", "iam.tf", '      variable = "aws:SourceAccount"', '      variable = "aws:SourceOrgID"', None, "roles are for tasks of this account alone"),
    Fault("no-spot", "cluster.tf", '["FARGATE", "FARGATE_SPOT"]', '["FARGATE"]', None, "Spot is there to be asked for"),
    Fault("all-on-spot", "worker.tf", "base = each.value.worker.on_demand_base,", "base = 0,", None, "two on demand, the rest on Spot"),
    Fault("short-stop", "worker.tf", "= each.value.worker.stop_timeout_s\n", "= 30\n", None, "stopTimeout 120"),
    Fault("two-without-a-lease", "supervisor.tf", "local.makes_lease ? 200 : 100", "200", None, "one supervisor, never two at once, no table"),
    Fault("open-way-out", "network.tf", "  from_port         = 443", "  from_port         = 80", None, "nothing goes out but HTTPS"),
    Fault("silence-is-no-alarm", "alarms.tf", 'without     = "breaching"', 'without     = "notBreaching"', None, "four alarms, of which silence is one"),
    Fault("alarm-that-sees-nothing", "alarms.tf", "wanted      = local.queues[name].region == local.region", "wanted      = true", None,
          "no alarm on metrics of another region, nor of a fleet that is always at its maximum"),
    Fault("logs-for-ever", "cluster.tf", "  retention_in_days = var.log_retention_days\n", "", None, "logs do not stay for ever"),
    Fault("unscanned-images", "cluster.tf", "scan_on_push = true", "scan_on_push = false", None, "images are scanned"),
    Fault("token-in-the-clear", "worker.tf", "{ SLUICE_TELEMETRY_TOKEN = var.telemetry.token_arn }", "{}", None, "the token is a secret"),
    Fault("roles-beside-those-that-are-there", "iam.tf", "if fleet.worker.existing_role_arn == null }", "}", None, "no role is made, none is changed"),
]
# Alone, since nothing else is looked at then.
SYNTAX = [
    Fault("open-block", "worker.tf", "  lifecycle {\n    ignore_changes", "  lifecycle \n    ignore_changes", "syntax: ", "Argument or block definition required"),
    Fault("open-string", "main.tf", '"arn:${local.partition}"', '"arn:${local.partition}', "syntax: ", "Invalid multi-line string"),
    Fault("twice", "worker.tf", "  network_mode             = \"awsvpc\"\n", "  network_mode             = \"awsvpc\"\n  network_mode = \"host\"\n",
          "syntax: ", "Attribute redefined"),
]
