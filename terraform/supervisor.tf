# The supervisor: its configuration, the table of the lease, and its service.

locals {
  makes_lease = var.supervisor.count > 1 || var.supervisor.lease_table

  fleet_configurations = [for name, fleet in var.fleets : {
    name   = name
    region = local.queues[name].region
    queue = merge(
      { url = local.queues[name].url, poll = fleet.queue.poll },
      fleet.queue.poll_max == null ? {} : { poll_max = fleet.queue.poll_max },
      fleet.queue.cloudwatch == "off" ? {} : { cloudwatch = { mode = fleet.queue.cloudwatch } },
    )
    capacity = { for key, value in fleet.capacity : key => value if value != null }
    policy = merge(
      { for key, value in fleet.policy : key => value if value != null && key != "steps" && key != "fallback" },
      fleet.policy.fallback == null ? {} : { fallback = try(tonumber(fleet.policy.fallback), fleet.policy.fallback) },
      fleet.policy.steps == null ? {} : { steps = [for step in coalesce(fleet.policy.steps, []) : merge(
        { above = step.above },
        step.add == null ? {} : { add = step.add },
        step.to == null ? {} : { to = try(tonumber(step.to), step.to) },
      )] },
    )
    fleet = {
      type         = "ecs"
      cluster      = local.cluster
      service      = local.services[name]
      on_drift     = fleet.on_drift
      start_grace  = fleet.worker.start_grace
      protect_busy = var.telemetry != null
    }
  }]

  # What docs/configuration.md describes; "sluice check" reads it as it stands.
  configuration = jsonencode(merge(
    {
      region = local.region
      log    = { level = var.supervisor.log_level, format = "json" }
      fleets = local.fleet_configurations
    },
    var.telemetry == null ? {} : { telemetry = { listen = "0.0.0.0:${var.telemetry.port}", token_env = "SLUICE_TELEMETRY_TOKEN" } },
    !local.makes_lease ? {} : { ha = {
      type      = "dynamodb"
      table     = "${var.name}-lease"
      key       = var.name
      region    = local.region
      lease     = var.supervisor.lease
      heartbeat = var.supervisor.heartbeat
    } },
    var.metrics_namespace == null ? {} : { metrics = { cloudwatch = { namespace = var.metrics_namespace } } },
    var.api_budget_usd_per_month == null ? {} : { api_budget = { usd_per_month = var.api_budget_usd_per_month } },
  ))
}

# Who leads, and each fleet's state: docs/high-availability.md.
resource "aws_dynamodb_table" "lease" {
  count = local.makes_lease ? 1 : 0

  name         = "${var.name}-lease"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "id"
  tags         = var.tags

  attribute {
    name = "id"
    type = "S"
  }
  server_side_encryption {
    enabled     = var.kms_key_arn != null
    kms_key_arn = var.kms_key_arn
  }
}

resource "aws_ecs_task_definition" "supervisor" {
  family                   = "${var.name}-supervisor"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.supervisor.cpu
  memory                   = var.supervisor.memory
  task_role_arn            = local.supervisor_role_arn
  execution_role_arn       = local.execution_role_arns["/supervisor"]
  tags                     = var.tags

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.supervisor.architecture
  }

  # The one folder that is written to; with a lease the state is in the table, and without one it ends with the task.
  volume {
    name = "state"
  }

  container_definitions = jsonencode([merge(local.containers["/supervisor"], {
    name                   = "supervisor"
    entryPoint             = ["sluice"]
    command                = ["run", "--config", "env:SLUICE_CONFIG"]
    environment            = [{ name = "SLUICE_CONFIG", value = local.configuration }]
    secrets                = var.telemetry == null ? [] : [{ name = "SLUICE_TELEMETRY_TOKEN", valueFrom = var.telemetry.token_arn }]
    portMappings           = var.telemetry == null ? [] : [{ containerPort = var.telemetry.port, hostPort = var.telemetry.port, protocol = "tcp" }]
    mountPoints            = [{ sourceVolume = "state", containerPath = "/var/lib/sluice", readOnly = false }]
    stopTimeout            = 30
    readonlyRootFilesystem = !var.execute_command
    linuxParameters        = { initProcessEnabled = var.execute_command, capabilities = { drop = var.execute_command ? [] : ["ALL"] } }
    healthCheck            = { command = ["CMD", "sluice", "health"], interval = 30, timeout = 5, retries = 3, startPeriod = 30 }
  })])

  lifecycle {
    precondition {
      condition     = !startswith(local.images["/supervisor"], "missing:")
      error_message = "supervisor.image: want an image, since create_repositories is false."
    }
    precondition {
      condition     = length(local.configuration) <= 48000
      error_message = "fleets: too many for one supervisor's task definition, which ECS limits to 64 KiB: split them over several uses of this module."
    }
  }
}

resource "aws_ecs_service" "supervisor" {
  name                    = "${var.name}-supervisor"
  cluster                 = local.cluster
  task_definition         = aws_ecs_task_definition.supervisor.arn
  desired_count           = var.supervisor.count
  launch_type             = "FARGATE"
  enable_execute_command  = var.execute_command
  enable_ecs_managed_tags = true
  propagate_tags          = "SERVICE"
  tags                    = var.tags

  # Without a lease never two at once: the old one leaves before the new one comes, and services stay as they are meanwhile.
  deployment_minimum_healthy_percent = local.makes_lease ? 100 : 0
  deployment_maximum_percent         = local.makes_lease ? 200 : 100

  # A wrong configuration ends with exit code 78: back to the one that worked.
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.this["supervisor"].id]
    assign_public_ip = var.assign_public_ip
  }

  dynamic "service_registries" {
    for_each = aws_service_discovery_service.supervisor[*].arn
    content {
      registry_arn = service_registries.value
    }
  }

  # It comes after the services that it scales, and leaves before them: what is destroyed is not scaled out.
  depends_on = [aws_iam_role_policy.this, aws_ecs_cluster_capacity_providers.this, aws_vpc_security_group_egress_rule.https, aws_ecs_service.worker]
}
