# What all files use: who we are, and the fleets by what is made and what is adopted.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id
  arn_start = "arn:${local.partition}"

  made_queues   = { for name, fleet in var.fleets : name => fleet if fleet.queue.existing_url == null }
  made_services = { for name, fleet in var.fleets : name => fleet if fleet.existing_service == null }
  topics        = { for name, fleet in local.made_queues : name => fleet if fleet.topic != null }
  made_topics   = { for name, fleet in local.topics : name => fleet if fleet.topic.existing_arn == null }

  # Region, account and name of the queues that are there already, by their URLs. Elsewhere than in AWS the host says no region.
  adopted_urls = merge(
    { for name, fleet in var.fleets : name => fleet.queue.existing_url if fleet.queue.existing_url != null },
    { for name, fleet in var.fleets : "${name}/dlq" => fleet.queue.existing_dead_letter_url if fleet.queue.existing_dead_letter_url != null },
  )
  adopted = { for key, url in local.adopted_urls : key => {
    name   = element(split("/", url), 4)
    region = try(regex("^https://sqs[.]([a-z0-9-]+)[.]amazonaws[.]", url)[0], local.region)
    arn    = "${local.arn_start}:sqs:${try(regex("^https://sqs[.]([a-z0-9-]+)[.]amazonaws[.]", url)[0], local.region)}:${element(split("/", url), 3)}:${element(split("/", url), 4)}"
  } }

  queues = { for name, fleet in var.fleets : name => {
    url             = try(aws_sqs_queue.work[name].url, fleet.queue.existing_url)
    arn             = try(aws_sqs_queue.work[name].arn, local.adopted[name].arn)
    name            = try(aws_sqs_queue.work[name].name, local.adopted[name].name)
    region          = try(local.adopted[name].region, local.region)
    has_dead_letter = fleet.queue.existing_url == null || fleet.queue.existing_dead_letter_url != null
    dead_letter_url = try(aws_sqs_queue.dead_letter[name].url, fleet.queue.existing_dead_letter_url)
    dead_letter_arn = try(aws_sqs_queue.dead_letter[name].arn, local.adopted["${name}/dlq"].arn, null)
    dead_letter     = try(aws_sqs_queue.dead_letter[name].name, local.adopted["${name}/dlq"].name, null)
  } }

  services = { for name, fleet in var.fleets : name => coalesce(fleet.existing_service, "${var.name}-${name}") }
}
