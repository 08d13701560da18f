# terraform test: every rule of the fleets, one at a time.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  vpc_id     = "vpc-0123456789abcdef0"
  subnet_ids = ["subnet-0123456789abcdef0"]
}

run "a_name_with_capitals" {
  command = plan
  variables {
    fleets = { Orders = {} }
  }
  expect_failures = [var.fleets]
}

run "a_name_that_no_repository_may_have" {
  command = plan
  variables {
    name   = "sale--"
    fleets = { orders = {} }
  }
  expect_failures = [var.name]
}

run "the_name_of_the_supervisor" {
  command = plan
  variables {
    fleets = { supervisor = {} }
  }
  expect_failures = [var.fleets]
}

run "a_name_that_a_dead_letter_queue_has" {
  command = plan
  variables {
    fleets = { orders-dlq = {} }
  }
  expect_failures = [var.fleets]
}

run "a_name_that_a_role_has" {
  command = plan
  variables {
    fleets = { orders-exec = {} }
  }
  expect_failures = [var.fleets]
}

run "no_fleet" {
  command = plan
  variables {
    fleets = {}
  }
  expect_failures = [var.fleets]
}

run "a_minimum_of_none" {
  command = plan
  variables {
    fleets = { orders = { capacity = { min = 0 } } }
  }
  expect_failures = [var.fleets]
}

run "a_target_above_the_maximum" {
  command = plan
  variables {
    fleets = { orders = { capacity = { target = 31 } } }
  }
  expect_failures = [var.fleets]
}

run "more_tasks_than_a_service_can_have" {
  command = plan
  variables {
    fleets = { orders = { capacity = { max = 5001 } } }
  }
  expect_failures = [var.fleets]
}

run "a_name_for_a_url" {
  command = plan
  variables {
    fleets = { orders = { queue = { existing_url = "orders" } } }
  }
  expect_failures = [var.fleets]
}

run "a_dead_letter_queue_of_nothing" {
  command = plan
  variables {
    fleets = { orders = { queue = { existing_dead_letter_url = "https://sqs.us-west-2.amazonaws.com/123456789012/dlq" } } }
  }
  expect_failures = [var.fleets]
}

run "a_topic_for_a_queue_that_keeps_its_policy" {
  command = plan
  variables {
    fleets = { orders = { topic = {}, queue = { existing_url = "https://sqs.us-west-2.amazonaws.com/123456789012/orders" } } }
  }
  expect_failures = [var.fleets]
}

run "few_receives" {
  command = plan
  variables {
    fleets = { orders = { queue = { max_receive_count = 3 } } }
  }
  expect_failures = [var.fleets]
}

run "dead_letters_that_end_first" {
  command = plan
  variables {
    fleets = { orders = { queue = { dead_letter_retention_s = 3600 } } }
  }
  expect_failures = [var.fleets]
}

run "a_mode_that_is_none" {
  command = plan
  variables {
    fleets = { orders = { queue = { cloudwatch = "maybe" } } }
  }
  expect_failures = [var.fleets]
}

run "memory_that_fargate_does_not_have" {
  command = plan
  variables {
    fleets = { orders = { worker = { memory = 256 } } }
  }
  expect_failures = [var.fleets]
}

run "an_unknown_processor" {
  command = plan
  variables {
    fleets = { orders = { worker = { architecture = "arm64" } } }
  }
  expect_failures = [var.fleets]
}

run "no_threads" {
  command = plan
  variables {
    fleets = { orders = { worker = { num_workers = 0 } } }
  }
  expect_failures = [var.fleets]
}

run "a_stop_timeout_that_fargate_does_not_have" {
  command = plan
  variables {
    fleets = { orders = { worker = { stop_timeout_s = 121 } } }
  }
  expect_failures = [var.fleets]
}

run "quarantine_too_soon" {
  command = plan
  variables {
    fleets = { orders = { worker = { quarantine_after = 4 } } }
  }
  expect_failures = [var.fleets]
}

run "more_than_all_on_spot" {
  command = plan
  variables {
    fleets = { orders = { worker = { spot_share_percent = 101 } } }
  }
  expect_failures = [var.fleets]
}

run "a_secret_in_the_clear" {
  command = plan
  variables {
    fleets = { orders = { worker = { secrets = { KEY = "secret" } } } }
  }
  expect_failures = [var.fleets]
}

run "a_role_by_its_name" {
  command = plan
  variables {
    fleets = { orders = { worker = { existing_role_arn = "worker" } } }
  }
  expect_failures = [var.fleets]
}

run "policies_for_a_role_that_keeps_its_own" {
  command = plan
  variables {
    fleets = { orders = { worker = { existing_role_arn = "arn:aws:iam::123456789012:role/worker", policy_arns = { mail = "arn:aws:iam::123456789012:policy/mail" } } } }
  }
  expect_failures = [var.fleets]
}

run "another_drift" {
  command = plan
  variables {
    fleets = { orders = { on_drift = "ignore" } }
  }
  expect_failures = [var.fleets]
}

run "an_alarm_beyond_a_day" {
  command = plan
  variables {
    fleets = { orders = { alarms = { at_max_minutes = 1441 } } }
  }
  expect_failures = [var.fleets]
}
