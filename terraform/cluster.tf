# The cluster, the repositories of the images, and the log groups.

resource "aws_ecs_cluster" "this" {
  count = var.existing_cluster == null ? 1 : 0

  name = var.name
  tags = var.tags

  setting {
    name  = "containerInsights"
    value = var.container_insights ? "enabled" : "disabled"
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  count = var.existing_cluster == null ? 1 : 0

  cluster_name       = aws_ecs_cluster.this[0].name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]

  default_capacity_provider_strategy {
    capacity_provider = "FARGATE"
    weight            = 1
  }
}

locals {
  cluster     = var.existing_cluster == null ? aws_ecs_cluster.this[0].name : var.existing_cluster
  cluster_arn = "${local.arn_start}:ecs:${local.region}:${local.account}:cluster/${local.cluster}"
}

resource "aws_ecr_repository" "this" {
  for_each = toset(var.create_repositories ? ["supervisor", "worker"] : [])

  name                 = "${var.name}/sluice-${each.key}"
  image_tag_mutability = "IMMUTABLE"
  force_delete         = true
  tags                 = var.tags

  image_scanning_configuration {
    scan_on_push = true
  }
  encryption_configuration {
    encryption_type = var.kms_key_arn == null ? "AES256" : "KMS"
    kms_key         = var.kms_key_arn
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  for_each = aws_ecr_repository.this

  repository = each.value.name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "the newest ${var.images_kept} images"
      selection = {
        tagStatus   = "any"
        countType   = "imageCountMoreThan"
        countNumber = var.images_kept
      }
      action = { type = "expire" }
    }]
  })
}

locals {
  images = merge(
    { for name, fleet in local.made_services : name => fleet.worker.image == null ? "${try(aws_ecr_repository.this["worker"].repository_url, "missing")}:${var.image_tag}" : fleet.worker.image },
    { "/supervisor" = var.supervisor.image == null ? "${try(aws_ecr_repository.this["supervisor"].repository_url, "missing")}:${var.image_tag}" : var.supervisor.image },
  )

  # Repositories that a task pulls from: none unless the image comes from ECR.
  image_repositories = { for name, image in local.images : name => compact([
    name == "/supervisor" && var.supervisor.image == null ? try(aws_ecr_repository.this["supervisor"].arn, "") :
    name != "/supervisor" && try(var.fleets[name].worker.image == null, false) ? try(aws_ecr_repository.this["worker"].arn, "") :
    try(format("${local.arn_start}:ecr:%s:%s:repository/%s", regex("^([0-9]{12})[.]dkr[.]ecr[.]([a-z0-9-]+)[.]amazonaws[.]com(?:[.]cn)?/([^:@]+)", image)[1], regex("^([0-9]{12})[.]", image)[0], regex("^[^/]+/([^:@]+)", image)[0]), "")
  ]) }
}

resource "aws_cloudwatch_log_group" "task" {
  for_each = merge({ for name in keys(local.made_services) : name => "worker/${name}" }, { "/supervisor" = "supervisor" })

  name              = "/${var.name}/${each.value}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

locals {
  # What the containers of both roles have in common.
  containers = { for key, image in local.images : key => {
    image     = image
    essential = true
    ulimits   = [{ name = "nofile", softLimit = 65536, hardLimit = 65536 }]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.task[key].name
        "awslogs-region"        = local.region
        "awslogs-stream-prefix" = key == "/supervisor" ? "supervisor" : "worker"
        "mode"                  = "non-blocking"
        "max-buffer-size"       = "4m"
      }
    }
  } }
}
