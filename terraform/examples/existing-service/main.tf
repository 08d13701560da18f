# A supervisor for an ECS service and a queue that are there already. Nothing of theirs is changed but the desired count.
# Terraform that made the service has to let go of that: lifecycle { ignore_changes = [desired_count] }.
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

  name                = "sluice"
  vpc_id              = var.vpc_id
  subnet_ids          = var.subnet_ids
  existing_cluster    = var.cluster
  create_repositories = false
  supervisor          = { image = var.supervisor_image, lease_table = true }

  fleets = {
    orders = {
      queue            = { existing_url = var.queue_url }
      existing_service = var.service
      capacity         = { min = 2, max = 20 }
      on_drift         = "adopt"
    }
  }
}
