# Roles: for each task what it calls (the same as deploy/iam/*.json), and for ECS what it needs to start the task.

data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "TasksOfThisAccount"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["${local.arn_start}:ecs:${local.region}:${local.account}:*"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

locals {
  service_arns      = [for name in values(local.services) : "${local.arn_start}:ecs:${local.region}:${local.account}:service/${local.cluster}/${name}"]
  tasks_arn         = "${local.arn_start}:ecs:${local.region}:${local.account}:task/${local.cluster}/*"
  reads_cloudwatch  = anytrue([for fleet in var.fleets : fleet.queue.cloudwatch != "off"])
  worker_secrets    = { for name, fleet in local.made_services : name => concat(values(fleet.worker.secrets), var.telemetry[*].token_arn) }
  secrets           = merge(local.worker_secrets, { "/supervisor" = var.telemetry[*].token_arn })
  dead_letter_users = { for name, fleet in var.fleets : name => fleet.worker.quarantine_after > 0 && local.queues[name].has_dead_letter }

  on_cluster = [{ test = "ArnEquals", variable = "ecs:cluster", values = [local.cluster_arn] }]

  # Statements of policies; `only` is their condition. One without resources is left out: what it is for is not used.
  supervisor_statements = [
    { sid = "ReadQueue", actions = ["sqs:GetQueueAttributes", "sqs:GetQueueUrl"], resources = values(local.queues)[*].arn, only = [] },
    { sid = "SeeService", actions = ["ecs:DescribeServices"], resources = local.service_arns, only = local.on_cluster },
    { sid = "ScaleService", actions = ["ecs:UpdateService"], resources = local.service_arns, only = local.on_cluster },
    { sid = "FindTasks", actions = ["ecs:ListTasks"], resources = ["*"], only = local.on_cluster },
    { sid = "SeeTasks", actions = ["ecs:DescribeTasks"], resources = [local.tasks_arn], only = local.on_cluster },
    { sid = "SeeOtherScalers", actions = ["application-autoscaling:DescribeScalableTargets"], resources = ["*"], only = [] },
    { sid = "ProtectBusyTasks", actions = ["ecs:UpdateTaskProtection"], resources = [for used in var.telemetry[*] : local.tasks_arn], only = local.on_cluster },
    { sid = "ReadQueueMetrics", actions = ["cloudwatch:GetMetricData"], resources = local.reads_cloudwatch ? ["*"] : [], only = [] },
    {
      sid       = "PublishGauges"
      actions   = ["cloudwatch:PutMetricData"]
      resources = [for used in var.metrics_namespace[*] : "*"]
      only      = [{ test = "StringEquals", variable = "cloudwatch:namespace", values = var.metrics_namespace[*] }]
    },
    { sid = "HoldLease", actions = ["dynamodb:GetItem", "dynamodb:UpdateItem"], resources = aws_dynamodb_table.lease[*].arn, only = [] },
    {
      sid       = "UseKeyOfLease"
      actions   = ["kms:Decrypt"]
      resources = local.makes_lease ? var.kms_key_arn[*] : []
      only      = [{ test = "StringEquals", variable = "kms:ViaService", values = ["dynamodb.${local.region}.amazonaws.com"] }]
    },
    {
      sid       = "LetOperatorsIn"
      actions   = ["ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"]
      resources = var.execute_command ? ["*"] : []
      only      = []
    },
  ]

  # Also for the role of a service that is there already: see the output worker_policies.
  worker_statements = { for name, fleet in var.fleets : name => [
    { sid = "DrainQueue", actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"], resources = [local.queues[name].arn], only = [] },
    { sid = "ProtectItself", actions = ["ecs:UpdateTaskProtection"], resources = [local.tasks_arn], only = local.on_cluster },
    { sid = "Quarantine", actions = ["sqs:SendMessage"], resources = local.dead_letter_users[name] ? [local.queues[name].dead_letter_arn] : [], only = [] },
    {
      sid       = "UseKeyOfQueue"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = fleet.queue.kms_key_arn[*]
      only      = [{ test = "StringEquals", variable = "kms:ViaService", values = ["sqs.${local.queues[name].region}.amazonaws.com"] }]
    },
  ] }

  # ECS, to start a task: image, log, secrets.
  execution_statements = { for key, repositories in local.image_repositories : key => [
    { sid = "WriteLogs", actions = ["logs:CreateLogStream", "logs:PutLogEvents"], resources = ["${aws_cloudwatch_log_group.task[key].arn}:*"], only = [] },
    { sid = "LogInToRegistry", actions = ["ecr:GetAuthorizationToken"], resources = length(repositories) > 0 ? ["*"] : [], only = [] },
    { sid = "PullImage", actions = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], resources = repositories, only = [] },
    { sid = "ReadParameters", actions = ["ssm:GetParameters"], resources = [for arn in local.secrets[key] : arn if strcontains(arn, ":ssm:")], only = [] },
    {
      sid     = "ReadSecrets"
      actions = ["secretsmanager:GetSecretValue"]
      # Without the JSON key, stage and version that may follow a secret's own ARN.
      resources = [for arn in local.secrets[key] : join(":", slice(split(":", arn), 0, 7)) if strcontains(arn, ":secretsmanager:")]
      only      = []
    },
    {
      sid       = "UseKeysOfSecrets"
      actions   = ["kms:Decrypt"]
      resources = var.secrets_kms_key_arns
      only      = [{ test = "StringEquals", variable = "kms:ViaService", values = ["ssm.${local.region}.amazonaws.com", "secretsmanager.${local.region}.amazonaws.com"] }]
    },
  ] }

  role_statements = merge(
    { supervisor = local.supervisor_statements },
    { for name, statements in local.worker_statements : "worker/${name}" => statements },
    { for key, statements in local.execution_statements : "execution/${trimprefix(key, "/")}" => statements },
  )
}

data "aws_iam_policy_document" "role" {
  for_each = local.role_statements

  dynamic "statement" {
    for_each = [for one in each.value : one if length(one.resources) > 0]
    content {
      sid       = statement.value.sid
      actions   = statement.value.actions
      resources = statement.value.resources

      dynamic "condition" {
        for_each = statement.value.only
        content {
          test     = condition.value.test
          variable = condition.value.variable
          values   = condition.value.values
        }
      }
    }
  }
}

locals {
  # Names of the roles that are made here, by the policy of each. Those that are there already keep theirs, and have to allow what
  # the outputs supervisor_policy, worker_policies and execution_policies say.
  roles = merge(
    { for task in ["supervisor"] : task => "${var.name}-${task}-${local.region}" if var.supervisor.existing_role_arn == null },
    { for name, fleet in local.made_services : "worker/${name}" => substr("${var.name}-${name}-${local.region}", 0, 64) if fleet.worker.existing_role_arn == null },
    { for path in [for key in keys(local.images) : trimprefix(key, "/")] : "execution/${path}" => substr("${var.name}-${path}-exec-${local.region}", 0, 64) if var.existing_execution_role_arn == null },
  )

  supervisor_role_arn = var.supervisor.existing_role_arn == null ? aws_iam_role.this["supervisor"].arn : var.supervisor.existing_role_arn
  worker_role_arns    = { for name, fleet in local.made_services : name => fleet.worker.existing_role_arn == null ? aws_iam_role.this["worker/${name}"].arn : fleet.worker.existing_role_arn }
  execution_role_arns = { for key in keys(local.images) : key => var.existing_execution_role_arn == null ? aws_iam_role.this["execution/${trimprefix(key, "/")}"].arn : var.existing_execution_role_arn }
}

resource "aws_iam_role" "this" {
  for_each = local.roles

  name                 = each.value
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags
}

resource "aws_iam_role_policy" "this" {
  for_each = local.roles

  name   = startswith(each.key, "execution/") ? "start" : "sluice"
  role   = aws_iam_role.this[each.key].id
  policy = data.aws_iam_policy_document.role[each.key].json

  lifecycle {
    # IAM counts without white space.
    precondition {
      condition     = length(jsonencode(jsondecode(data.aws_iam_policy_document.role[each.key].json))) <= 10240
      error_message = "fleets: too many for the policy of role ${each.value}, which IAM limits to 10,240 characters: split them over several uses of this module."
    }
  }
}

# What a handler itself needs.
resource "aws_iam_role_policy_attachment" "worker" {
  for_each = merge([for name, fleet in local.made_services : { for key, arn in fleet.worker.policy_arns : "${name}/${key}" => { fleet = name, arn = arn } }]...)

  role       = aws_iam_role.this["worker/${each.value.fleet}"].name
  policy_arn = each.value.arn
}
