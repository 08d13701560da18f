# A configuration that makes what it gives the module: none of it is known when it is planned.
terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

resource "terraform_data" "made" {}

module "sluice" {
  source = "../.."

  vpc_id               = terraform_data.made.id
  subnet_ids           = [terraform_data.made.id]
  kms_key_arn          = terraform_data.made.id
  secrets_kms_key_arns = [terraform_data.made.id]
  alarm_actions        = [terraform_data.made.id]
  supervisor           = { lease_table = true }
  telemetry            = { token_arn = terraform_data.made.id, client_security_group_ids = [terraform_data.made.id] }

  fleets = {
    orders = {
      topic = { kms_key_arn = terraform_data.made.id }
      queue = { kms_key_arn = terraform_data.made.id }
      worker = {
        secrets            = { KEY = terraform_data.made.id }
        policy_arns        = { mail = terraform_data.made.id }
        security_group_ids = [terraform_data.made.id]
        environment        = { BUCKET = terraform_data.made.id }
      }
    }
  }
}

output "worker_services" {
  value = module.sluice.worker_services
}
