# Each fleet's service. Its desired count is the supervisor's: nothing here writes it again, and there is no Application
# Auto Scaling target beside it (the supervisor refuses a service that has one).

locals {
  worker_environment = { for name, fleet in var.fleets : name => merge(
    {
      SQS_QUEUE_URL         = local.queues[name].url
      AWS_REGION            = local.queues[name].region
      NUM_WORKERS           = tostring(fleet.worker.num_workers)
      SLUICE_STOP_GRACE     = "${fleet.worker.stop_timeout_s - 10}s"
      SLUICE_METRICS_LISTEN = "127.0.0.1:9464"
      SLUICE_LOG_FORMAT     = "json"
    },
    var.telemetry == null ? {} : { SLUICE_TELEMETRY_URL = local.telemetry_urls[name] },
    fleet.worker.environment,
  ) }
  worker_secret_names = { for name, fleet in var.fleets : name => merge(
    var.telemetry == null ? {} : { SLUICE_TELEMETRY_TOKEN = var.telemetry.token_arn },
    fleet.worker.secrets,
  ) }
  worker_arguments = { for name, fleet in var.fleets : name => concat(
    local.dead_letter_users[name] ? ["--dlq-url", local.queues[name].dead_letter_url, "--max-receives", tostring(fleet.worker.quarantine_after)] : [],
    fleet.worker.arguments,
  ) }
}

resource "aws_ecs_task_definition" "worker" {
  for_each = local.made_services

  family                   = "${var.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = each.value.worker.cpu
  memory                   = each.value.worker.memory
  task_role_arn            = local.worker_role_arns[each.key]
  execution_role_arn       = local.execution_role_arns[each.key]
  tags                     = var.tags

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = each.value.worker.architecture
  }

  container_definitions = jsonencode([merge(local.containers[each.key], {
    name                   = "worker"
    entryPoint             = ["sluice-worker"]
    command                = local.worker_arguments[each.key]
    environment            = [for key, value in local.worker_environment[each.key] : { name = key, value = value }]
    secrets                = [for key, arn in local.worker_secret_names[each.key] : { name = key, valueFrom = arn }]
    stopTimeout            = each.value.worker.stop_timeout_s
    readonlyRootFilesystem = !each.value.worker.writable_root
    linuxParameters        = { initProcessEnabled = each.value.worker.init_process, capabilities = { drop = ["ALL"] } }
    healthCheck            = { command = ["CMD", "sluice", "health", "--admin", "http://${local.worker_environment[each.key].SLUICE_METRICS_LISTEN}"], interval = 30, timeout = 5, retries = 3, startPeriod = 30 }
  })])

  lifecycle {
    precondition {
      condition     = !startswith(local.images[each.key], "missing:")
      error_message = "fleets: worker.image: want an image, since create_repositories is false."
    }
    precondition {
      condition     = each.value.worker.quarantine_after == 0 || local.queues[each.key].has_dead_letter
      error_message = "fleets: worker.quarantine_after: want queue.existing_dead_letter_url, too."
    }
  }
}

resource "aws_ecs_service" "worker" {
  for_each = local.made_services

  name                    = local.services[each.key]
  cluster                 = local.cluster
  task_definition         = aws_ecs_task_definition.worker[each.key].arn
  desired_count           = each.value.capacity.min
  launch_type             = each.value.worker.spot ? null : "FARGATE"
  enable_ecs_managed_tags = true
  propagate_tags          = "SERVICE"
  tags                    = var.tags

  # Spot is taken away with two minutes' notice, protected or not: the worker drains in them.
  dynamic "capacity_provider_strategy" {
    for_each = each.value.worker.spot ? {
      FARGATE      = { base = each.value.worker.on_demand_base, weight = 100 - each.value.worker.spot_share_percent }
      FARGATE_SPOT = { base = 0, weight = each.value.worker.spot_share_percent }
    } : {}
    content {
      capacity_provider = capacity_provider_strategy.key
      base              = capacity_provider_strategy.value.base
      weight            = capacity_provider_strategy.value.weight
    }
  }

  deployment_circuit_breaker {
    enable   = each.value.worker.deployment_rollback
    rollback = each.value.worker.deployment_rollback
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = concat([aws_security_group.this["worker"].id], each.value.worker.security_group_ids)
    assign_public_ip = var.assign_public_ip
  }

  lifecycle {
    ignore_changes = [desired_count]
  }

  # Tasks that start pull their image, and those that drain hand messages back: both need the way out, and what the handler may do.
  depends_on = [
    aws_iam_role_policy.this, aws_iam_role_policy_attachment.worker, aws_ecs_cluster_capacity_providers.this,
    aws_vpc_security_group_egress_rule.https,
  ]
}
