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
  worker_secrets    = { for name, fleet in local.made_services : name => concat(values(fleet.worker.secrets), var.telemetry == null ? [] : [var.telemetry.token_arn]) }
  secrets           = merge(local.worker_secrets, { "/supervisor" = var.telemetry == null ? [] : [var.telemetry.token_arn] })
  log_group_arns    = merge({ for name, group in aws_cloudwatch_log_group.worker : name => group.arn }, { "/supervisor" = aws_cloudwatch_log_group.supervisor.arn })
  dead_letter_users = { for name, fleet in var.fleets : name => fleet.worker.quarantine_after > 0 && local.queues[name].has_dead_letter }
}

# ---- the supervisor ----

data "aws_iam_policy_document" "supervisor" {
  statement {
    sid       = "ReadQueue"
    actions   = ["sqs:GetQueueAttributes", "sqs:GetQueueUrl"]
    resources = [for queue in values(local.queues) : queue.arn]
  }
  statement {
    sid       = "SeeService"
    actions   = ["ecs:DescribeServices"]
    resources = local.service_arns

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [local.cluster_arn]
    }
  }
  statement {
    sid       = "ScaleService"
    actions   = ["ecs:UpdateService"]
    resources = local.service_arns

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [local.cluster_arn]
    }
  }
  statement {
    sid       = "FindTasks"
    actions   = ["ecs:ListTasks"]
    resources = ["*"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [local.cluster_arn]
    }
  }
  statement {
    sid       = "SeeTasks"
    actions   = ["ecs:DescribeTasks"]
    resources = [local.tasks_arn]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [local.cluster_arn]
    }
  }
  statement {
    sid       = "SeeOtherScalers"
    actions   = ["application-autoscaling:DescribeScalableTargets"]
    resources = ["*"]
  }

  dynamic "statement" {
    for_each = var.telemetry == null ? [] : [local.tasks_arn]
    content {
      sid       = "ProtectBusyTasks"
      actions   = ["ecs:UpdateTaskProtection"]
      resources = [statement.value]

      condition {
        test     = "ArnEquals"
        variable = "ecs:cluster"
        values   = [local.cluster_arn]
      }
    }
  }
  dynamic "statement" {
    for_each = local.reads_cloudwatch ? ["*"] : []
    content {
      sid       = "ReadQueueMetrics"
      actions   = ["cloudwatch:GetMetricData"]
      resources = [statement.value]
    }
  }
  dynamic "statement" {
    for_each = var.metrics_namespace == null ? [] : [var.metrics_namespace]
    content {
      sid       = "PublishGauges"
      actions   = ["cloudwatch:PutMetricData"]
      resources = ["*"]

      condition {
        test     = "StringEquals"
        variable = "cloudwatch:namespace"
        values   = [statement.value]
      }
    }
  }
  dynamic "statement" {
    for_each = aws_dynamodb_table.lease[*].arn
    content {
      sid       = "HoldLease"
      actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
      resources = [statement.value]
    }
  }
  dynamic "statement" {
    for_each = local.makes_lease && var.kms_key_arn != null ? [var.kms_key_arn] : []
    content {
      sid       = "UseKeyOfLease"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["dynamodb.${local.region}.amazonaws.com"]
      }
    }
  }
  dynamic "statement" {
    for_each = var.execute_command ? ["*"] : []
    content {
      sid       = "LetOperatorsIn"
      actions   = ["ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"]
      resources = [statement.value]
    }
  }
}

resource "aws_iam_role" "supervisor" {
  name               = "${var.name}-supervisor-${local.region}"
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = var.tags
}

resource "aws_iam_role_policy" "supervisor" {
  name   = "sluice"
  role   = aws_iam_role.supervisor.id
  policy = data.aws_iam_policy_document.supervisor.json
}

# ---- workers ----

# Also for the role of a service that is there already: see the output worker_policies.
data "aws_iam_policy_document" "worker" {
  for_each = var.fleets

  statement {
    sid       = "DrainQueue"
    actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]
    resources = [local.queues[each.key].arn]
  }
  statement {
    sid       = "ProtectItself"
    actions   = ["ecs:UpdateTaskProtection"]
    resources = [local.tasks_arn]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [local.cluster_arn]
    }
  }

  dynamic "statement" {
    for_each = local.dead_letter_users[each.key] ? [local.queues[each.key].dead_letter_arn] : []
    content {
      sid       = "Quarantine"
      actions   = ["sqs:SendMessage"]
      resources = [statement.value]
    }
  }
  dynamic "statement" {
    for_each = each.value.queue.kms_key_arn == null ? [] : [each.value.queue.kms_key_arn]
    content {
      sid       = "UseKeyOfQueue"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["sqs.${local.queues[each.key].region}.amazonaws.com"]
      }
    }
  }
}

resource "aws_iam_role" "worker" {
  for_each = local.made_services

  name               = substr("${var.name}-${each.key}-${local.region}", 0, 64)
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = var.tags
}

resource "aws_iam_role_policy" "worker" {
  for_each = local.made_services

  name   = "sluice"
  role   = aws_iam_role.worker[each.key].id
  policy = data.aws_iam_policy_document.worker[each.key].json
}

# What a handler itself needs.
resource "aws_iam_role_policy_attachment" "worker" {
  for_each = merge([for name, fleet in local.made_services : { for key, arn in fleet.worker.policy_arns : "${name}/${key}" => { fleet = name, arn = arn } }]...)

  role       = aws_iam_role.worker[each.value.fleet].name
  policy_arn = each.value.arn
}

# ---- ECS, to start a task: image, log, secrets ----

data "aws_iam_policy_document" "execution" {
  for_each = local.images

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${local.log_group_arns[each.key]}:*"]
  }

  dynamic "statement" {
    for_each = length(local.image_repositories[each.key]) > 0 ? ["*"] : []
    content {
      sid       = "LogInToRegistry"
      actions   = ["ecr:GetAuthorizationToken"]
      resources = [statement.value]
    }
  }
  dynamic "statement" {
    for_each = length(local.image_repositories[each.key]) > 0 ? [local.image_repositories[each.key]] : []
    content {
      sid       = "PullImage"
      actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      resources = statement.value
    }
  }
  dynamic "statement" {
    for_each = anytrue([for arn in local.secrets[each.key] : strcontains(arn, ":ssm:")]) ? [1] : []
    content {
      sid       = "ReadParameters"
      actions   = ["ssm:GetParameters"]
      resources = [for arn in local.secrets[each.key] : arn if strcontains(arn, ":ssm:")]
    }
  }
  dynamic "statement" {
    for_each = anytrue([for arn in local.secrets[each.key] : strcontains(arn, ":secretsmanager:")]) ? [1] : []
    content {
      sid     = "ReadSecrets"
      actions = ["secretsmanager:GetSecretValue"]
      # Without the JSON key, stage and version that may follow a secret's own ARN.
      resources = [for arn in local.secrets[each.key] : join(":", slice(split(":", arn), 0, 7)) if strcontains(arn, ":secretsmanager:")]
    }
  }
  dynamic "statement" {
    for_each = length(var.secrets_kms_key_arns) > 0 ? [var.secrets_kms_key_arns] : []
    content {
      sid       = "UseKeysOfSecrets"
      actions   = ["kms:Decrypt"]
      resources = statement.value

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["ssm.${local.region}.amazonaws.com", "secretsmanager.${local.region}.amazonaws.com"]
      }
    }
  }
}

resource "aws_iam_role" "execution" {
  for_each = local.images

  name               = substr("${var.name}-${each.key == "/supervisor" ? "supervisor" : each.key}-exec-${local.region}", 0, 64)
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = var.tags
}

resource "aws_iam_role_policy" "execution" {
  for_each = local.images

  name   = "start"
  role   = aws_iam_role.execution[each.key].id
  policy = data.aws_iam_policy_document.execution[each.key].json
}
