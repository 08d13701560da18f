# Three fleets under one supervisor: a standard queue on Spot, a FIFO queue, and one that takes enveloped messages of a topic.
terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.60, < 7.0"
    }
  }
}

provider "aws" {
  region = var.region
}

module "sluice" {
  source = "../.."

  name                     = "shop"
  vpc_id                   = var.vpc_id
  subnet_ids               = var.subnet_ids
  kms_key_arn              = var.kms_key_arn
  supervisor               = { count = 2 }
  telemetry                = { token_arn = var.telemetry_token_arn, port = 9500 }
  api_budget_usd_per_month = 20
  tags                     = { team = "shop" }

  fleets = {
    orders = {
      queue    = { poll_max = "1m", kms_key_arn = var.kms_key_arn }
      capacity = { min = 2, target = 20, max = 100 }
      policy = {
        fallback = "target"
        steps = [
          { above = 50, add = 4 },
          { above = 500, to = "target" },
          { above = 5000, to = "100" },
        ]
      }
      worker = { spot = true, cpu = 512, memory = 1024 }
    }

    refunds = {
      queue    = { fifo = true, max_receive_count = 100, kms_key_arn = var.kms_key_arn }
      capacity = { min = 1, max = 4 }
      worker   = { num_workers = 20, quarantine_after = 50 }
    }

    receipts = {
      topic    = { existing_arn = var.receipts_topic_arn, raw = false, filter_policy = jsonencode({ kind = ["receipt"] }) }
      capacity = { min = 1, max = 10 }
      policy   = { scale_in_below = 3, fallback = "4" }
      worker   = { architecture = "ARM64", secrets = { MAIL_KEY = var.receipts_secret_arn } }
    }
  }
}
