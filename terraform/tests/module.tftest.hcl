# terraform test: the module with a provider that only pretends. What is rendered is asserted here and in tests/terraform.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  vpc_id     = "vpc-0123456789abcdef0"
  subnet_ids = ["subnet-0123456789abcdef0"]
  fleets     = { orders = {} }
}

run "defaults" {
  assert {
    condition     = aws_ecs_task_definition.worker["orders"].cpu == "256" && aws_ecs_task_definition.worker["orders"].memory == "512"
    error_message = "256 CPU units and 512 MiB"
  }
  assert {
    condition     = one([for e in jsondecode(aws_ecs_task_definition.worker["orders"].container_definitions)[0].environment : e.value if e.name == "NUM_WORKERS"]) == "100"
    error_message = "NUM_WORKERS=100"
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.worker["orders"].container_definitions)[0].stopTimeout == 120
    error_message = "stopTimeout 120"
  }
  assert {
    condition     = aws_ecs_service.worker["orders"].desired_count == 2 && aws_ecs_service.worker["orders"].launch_type == "FARGATE"
    error_message = "two tasks at first, no Spot unless asked for"
  }
  assert {
    condition     = jsondecode(aws_sqs_queue.work["orders"].redrive_policy).maxReceiveCount == 10 && aws_sqs_queue.work["orders"].sqs_managed_sse_enabled
    error_message = "a dead-letter queue, and encryption"
  }
  assert {
    condition = alltrue([for key in ["orders", "orders/dlq"] :
      one(data.aws_iam_policy_document.resource[key].statement).effect == "Deny" &&
      one(one(data.aws_iam_policy_document.resource[key].statement).actions) == "sqs:*" &&
      one(one(one(data.aws_iam_policy_document.resource[key].statement).condition).values) == "false"
    ])
    error_message = "both queues refuse plain HTTP"
  }
  assert {
    condition     = keys(aws_sqs_queue_policy.work) == ["orders"] && keys(aws_sqs_queue_policy.dead_letter) == ["orders"]
    error_message = "and have that policy"
  }
  assert {
    condition     = jsondecode(aws_sqs_queue_redrive_allow_policy.dead_letter["orders"].redrive_allow_policy).redrivePermission == "byQueue"
    error_message = "dead letters of this queue alone"
  }
  assert {
    condition     = toset(data.aws_iam_policy_document.trust.statement[0].condition[*].variable) == toset(["aws:SourceAccount", "aws:SourceArn"])
    error_message = "roles are for tasks of this account alone"
  }
  assert {
    condition     = aws_ecs_cluster_capacity_providers.this[0].capacity_providers == toset(["FARGATE", "FARGATE_SPOT"])
    error_message = "Spot is there to be asked for"
  }
  assert {
    condition     = { for task, group in aws_cloudwatch_log_group.task : group.name => group.retention_in_days } == { "/sluice/supervisor" = 30, "/sluice/worker/orders" = 30 }
    error_message = "logs do not stay for ever"
  }
  assert {
    condition     = [for one in aws_ecr_lifecycle_policy.this : jsondecode(one.policy).rules[0].selection.countNumber] == [10, 10]
    error_message = "images do not stay for ever"
  }
  assert {
    condition     = { for one in aws_cloudwatch_metric_alarm.fleet : one.alarm_name => [one.evaluation_periods, one.threshold, one.treat_missing_data] } == { sluice-orders-oldest-message = [5, 300, "notBreaching"], sluice-orders-dead-letters = [1, 0, "notBreaching"], sluice-orders-supervisor-silent = [5, 1, "breaching"], sluice-orders-at-max = [30, 30, "notBreaching"] }
    error_message = "four alarms, of which silence is one"
  }
  assert {
    condition     = { for role, rule in aws_vpc_security_group_egress_rule.https : role => [rule.from_port, rule.to_port] } == { supervisor = [443, 443], worker = [443, 443] } && length(aws_vpc_security_group_egress_rule.telemetry) == 0
    error_message = "nothing goes out but HTTPS"
  }
  assert {
    condition     = aws_ecs_service.supervisor.desired_count == 1 && aws_ecs_service.supervisor.deployment_maximum_percent == 100 && length(aws_dynamodb_table.lease) == 0
    error_message = "one supervisor, never two at once, no table"
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.supervisor.container_definitions)[0].healthCheck.command == ["CMD", "sluice", "health"]
    error_message = "sluice health is the health check"
  }
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.telemetry) == 0 && length(aws_service_discovery_service.supervisor) == 0
    error_message = "nothing is let in without telemetry"
  }
  assert {
    condition     = [for r in aws_ecr_repository.this : r.name] == ["sluice/sluice-supervisor", "sluice/sluice-worker"]
    error_message = "repositories are named as deploy/build-images names images"
  }
  assert {
    condition     = alltrue([for r in aws_ecr_repository.this : r.image_scanning_configuration[0].scan_on_push])
    error_message = "images are scanned"
  }
  assert {
    condition     = jsondecode(output.configuration).fleets[0].fleet.protect_busy == false
    error_message = "without telemetry nothing is known to be busy"
  }
}

run "two_supervisors_with_telemetry" {
  variables {
    supervisor = { count = 2 }
    telemetry  = { token_arn = "arn:aws:ssm:eu-central-1:123456789012:parameter/sluice/token" }
    fleets = {
      orders = {
        topic  = { raw = false }
        worker = { spot = true, architecture = "ARM64", quarantine_after = 10 }
      }
    }
  }

  assert {
    condition     = jsondecode(output.configuration).ha.table == aws_dynamodb_table.lease[0].name && aws_dynamodb_table.lease[0].hash_key == "id"
    error_message = "the table that the configuration names, keyed as the supervisor writes"
  }
  assert {
    condition     = aws_ecs_service.supervisor.desired_count == 2
    error_message = "two supervisors"
  }
  assert {
    condition     = output.telemetry_urls["orders"] == "http://sluice-supervisor.sluice.internal:9401/v1/telemetry/orders"
    error_message = "the fleet's own path at the supervisor's name"
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.telemetry["worker"].from_port == 9401 && aws_vpc_security_group_ingress_rule.telemetry["worker"].referenced_security_group_id == aws_security_group.this["worker"].id
    error_message = "workers alone are let in, on one port"
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.worker["orders"].container_definitions)[0].secrets == [{ name = "SLUICE_TELEMETRY_TOKEN", valueFrom = "arn:aws:ssm:eu-central-1:123456789012:parameter/sluice/token" }]
    error_message = "the token is a secret"
  }
  assert {
    condition     = aws_ecs_task_definition.worker["orders"].runtime_platform[0].cpu_architecture == "ARM64"
    error_message = "ARM"
  }
  assert {
    condition     = { for s in aws_ecs_service.worker["orders"].capacity_provider_strategy : s.capacity_provider => [s.base, s.weight] } == { FARGATE = [2, 0], FARGATE_SPOT = [0, 100] }
    error_message = "two on demand, the rest on Spot"
  }
  assert {
    condition     = aws_sns_topic_subscription.work["orders"].raw_message_delivery == false
    error_message = "enveloped"
  }
}

run "an_existing_service_is_left_alone" {
  command = plan
  variables {
    existing_cluster = "shop"
    fleets = {
      orders = {
        existing_service = "payments"
        queue = {
          existing_url             = "https://sqs.us-west-2.amazonaws.com/123456789012/orders"
          existing_dead_letter_url = "https://sqs.us-west-2.amazonaws.com/123456789012/orders-dlq"
        }
        capacity = { min = 3, max = 3 }
      }
    }
  }

  assert {
    condition     = length(aws_ecs_service.worker) + length(aws_ecs_task_definition.worker) + length(aws_sqs_queue.work) + length(aws_sqs_queue_policy.work) + length(aws_ecs_cluster.this) == 0
    error_message = "nothing is made that is there"
  }
  assert {
    condition     = jsondecode(output.configuration).fleets[0].fleet.service == "payments" && jsondecode(output.configuration).fleets[0].fleet.cluster == "shop"
    error_message = "the service that is there"
  }
  assert {
    condition     = jsondecode(output.configuration).fleets[0].region == "us-west-2"
    error_message = "the queue's own region"
  }
  assert {
    condition     = keys(aws_cloudwatch_metric_alarm.fleet) == ["orders-supervisor-silent"]
    error_message = "no alarm on metrics of another region, nor of a fleet that is always at its maximum"
  }
}

run "roles_that_are_there_are_taken" {
  variables {
    existing_execution_role_arn = "arn:aws:iam::123456789012:role/start"
    supervisor                  = { existing_role_arn = "arn:aws:iam::123456789012:role/scaler" }
    fleets                      = { orders = { worker = { existing_role_arn = "arn:aws:iam::123456789012:role/path/worker" } } }
  }

  assert {
    condition     = length(aws_iam_role.this) + length(aws_iam_role_policy.this) == 0
    error_message = "no role is made, none is changed"
  }
  assert {
    condition     = aws_ecs_task_definition.supervisor.task_role_arn == "arn:aws:iam::123456789012:role/scaler" && aws_ecs_task_definition.supervisor.execution_role_arn == "arn:aws:iam::123456789012:role/start"
    error_message = "the supervisor's roles"
  }
  assert {
    condition     = aws_ecs_task_definition.worker["orders"].task_role_arn == "arn:aws:iam::123456789012:role/path/worker" && aws_ecs_task_definition.worker["orders"].execution_role_arn == "arn:aws:iam::123456789012:role/start"
    error_message = "the workers' roles"
  }
  assert {
    condition     = keys(output.execution_policies) == ["/supervisor", "orders"] && keys(output.worker_policies) == ["orders"]
    error_message = "what they have to allow is told"
  }
}

run "roles_within_a_boundary" {
  command = plan
  variables {
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
  }

  assert {
    condition     = { for task, role in aws_iam_role.this : task => role.permissions_boundary } == { for task in ["execution/orders", "execution/supervisor", "supervisor", "worker/orders"] : task => "arn:aws:iam::123456789012:policy/boundary" }
    error_message = "every role has the boundary"
  }
}

run "refusals" {
  command = plan
  variables {
    name               = "Sluice"
    vpc_id             = "default"
    subnet_ids         = []
    image_tag          = "a b"
    images_kept        = 1
    log_retention_days = 15
    kms_key_arn        = "alias/mine"
    supervisor         = { count = 3 }
    telemetry          = { token_arn = "0123456789abcdef" }
    fleets             = { orders = { capacity = { target = 31 } } }

    existing_execution_role_arn = "start"
    permissions_boundary_arn    = "arn:aws:iam::123456789012:role/boundary"
  }
  expect_failures = [
    var.existing_execution_role_arn, var.permissions_boundary_arn,
    var.name, var.vpc_id, var.subnet_ids, var.image_tag, var.images_kept, var.log_retention_days, var.kms_key_arn,
    var.supervisor, var.telemetry, var.fleets,
  ]
}

run "no_image_to_be_had" {
  command = plan
  variables {
    create_repositories = false
  }
  expect_failures = [aws_ecs_task_definition.worker, aws_ecs_task_definition.supervisor]
}
