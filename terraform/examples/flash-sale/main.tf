# A sale: one queue fed by a topic, 2 to 30 workers of 100 threads, a supervisor and its stand-in. Everything is made here.
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

  name             = "flash-sale"
  vpc_id           = var.vpc_id
  subnet_ids       = var.subnet_ids
  assign_public_ip = var.public_subnets
  execute_command  = true
  supervisor       = { count = 2, architecture = var.architecture }
  telemetry        = { token_arn = var.telemetry_token_arn }
  alarm_actions    = var.alarm_topic_arn == null ? [] : [var.alarm_topic_arn]

  fleets = {
    orders = {
      topic    = { raw = true }
      queue    = { poll = "5s", max_receive_count = 20 }
      capacity = { min = 2, target = 25, max = 30 }
      policy   = { scale_out_above = 20, scale_in_below = 5, scale_in_after = "5m", cooldown = "60s" }
      worker = {
        architecture     = var.architecture
        quarantine_after = 10
        environment      = { PAYMENT_SLOTS = "5" }
      }
    }
  }
}
