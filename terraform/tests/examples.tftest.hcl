# terraform test: each example is applied to a provider that only pretends; one configuration more is planned.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  vpc_id              = "vpc-0123456789abcdef0"
  subnet_ids          = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  telemetry_token_arn = "arn:aws:ssm:eu-central-1:123456789012:parameter/sluice/token"
  queue_url           = "https://sqs.eu-central-1.amazonaws.com/123456789012/orders"
}

run "flash_sale" {
  module {
    source = "./examples/flash-sale"
  }
  assert {
    condition     = strcontains(output.sluice_command, "aws ecs execute-command --region eu-central-1 --cluster flash-sale ")
    error_message = "the command to look at it"
  }
  assert {
    condition     = jsondecode(output.configuration).fleets[0].policy == { type = "threshold", scale_out_above = 20, scale_in_below = 5, scale_in_after = "5m", cooldown = "60s" }
    error_message = "the policy as it was given, and nothing else"
  }
}

run "existing_queue" {
  variables {
    dead_letter_queue_url = "https://sqs.eu-central-1.amazonaws.com/123456789012/orders-dlq"
    queue_kms_key_arn     = "arn:aws:kms:eu-central-1:123456789012:key/0"
  }
  module {
    source = "./examples/existing-queue"
  }
  assert {
    condition     = jsondecode(output.configuration).fleets[0].queue == { url = "https://sqs.eu-central-1.amazonaws.com/123456789012/orders", poll = "5s", cloudwatch = { mode = "fallback" } }
    error_message = "the queue that is there"
  }
}

run "existing_service" {
  variables {
    cluster          = "shop"
    service          = "payments"
    supervisor_image = "sluice-supervisor:0.1.0"
  }
  module {
    source = "./examples/existing-service"
  }
  assert {
    condition     = jsondecode(output.configuration).ha.table == "sluice-lease"
    error_message = "one supervisor, whose state survives it"
  }
}

run "multi_fleet" {
  variables {
    receipts_topic_arn  = "arn:aws:sns:eu-central-1:123456789012:receipts"
    receipts_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mail-AbCdEf:key::"
    kms_key_arn         = "arn:aws:kms:eu-central-1:123456789012:key/0"
  }
  module {
    source = "./examples/multi-fleet"
  }
  assert {
    condition     = [for f in jsondecode(output.configuration).fleets : f.name] == ["orders", "receipts", "refunds"]
    error_message = "three fleets"
  }
  assert {
    condition     = jsondecode(output.configuration).fleets[0].policy.steps[2] == { above = 5000, to = 100 }
    error_message = "numbers stay numbers"
  }
}

run "own_resources" {
  command = plan
  module {
    source = "./tests/own-resources"
  }
  assert {
    condition     = output.worker_services == { orders = "sluice-orders" }
    error_message = "a plan can be made before keys, secrets and groups are"
  }
}
