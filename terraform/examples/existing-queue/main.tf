# Workers and a supervisor for a queue that is there already. The queue, its policy and its dead-letter queue stay as they are.
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

  name       = "orders"
  vpc_id     = var.vpc_id
  subnet_ids = var.subnet_ids

  fleets = {
    orders = {
      queue = {
        existing_url             = var.queue_url
        existing_dead_letter_url = var.dead_letter_queue_url
        kms_key_arn              = var.queue_kms_key_arn
        cloudwatch               = "fallback"
      }
      capacity = { min = 1, max = 10 }
      worker   = { spot = true, on_demand_base = 1, spot_share_percent = 75 }
    }
  }
}
