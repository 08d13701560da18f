# Who may talk to whom: workers to the supervisor on one port, both out by HTTPS, and nothing else.

locals {
  security_groups = merge(
    { supervisor = "Sluice supervisor: telemetry of workers in, HTTPS out" },
    length(local.made_services) > 0 ? { worker = "Sluice workers: nothing in, HTTPS and telemetry out" } : {},
  )

  # Whose telemetry the supervisor takes.
  telemetry_clients = { for key, client in merge(
    { for role, group in aws_security_group.this : role => { id = group.id, description = "Telemetry of the workers" } if role == "worker" },
    { for index, id in flatten(var.telemetry[*].client_security_group_ids) : index => { id = id, description = "Telemetry of tasks of existing services" } },
  ) : key => client if var.telemetry != null }
}

resource "aws_security_group" "this" {
  for_each = local.security_groups

  name_prefix = "${var.name}-${each.key}-"
  description = each.value
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-${each.key}" })

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_egress_rule" "https" {
  for_each = aws_security_group.this

  security_group_id = each.value.id
  description       = "APIs of AWS" # EC2 takes no apostrophe
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  tags              = var.tags
}

resource "aws_vpc_security_group_egress_rule" "telemetry" {
  for_each = { for role, group in aws_security_group.this : role => group.id if role == "worker" && var.telemetry != null }

  security_group_id            = each.value
  description                  = "Telemetry to the supervisor"
  referenced_security_group_id = aws_security_group.this["supervisor"].id
  ip_protocol                  = "tcp"
  from_port                    = var.telemetry.port
  to_port                      = var.telemetry.port
  tags                         = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "telemetry" {
  for_each = local.telemetry_clients

  security_group_id            = aws_security_group.this["supervisor"].id
  description                  = each.value.description
  referenced_security_group_id = each.value.id
  ip_protocol                  = "tcp"
  from_port                    = var.telemetry.port
  to_port                      = var.telemetry.port
  tags                         = var.tags
}

# The name by which workers find the supervisor. Both addresses of two: the one that follows refuses, and the worker
# takes the other one.
resource "aws_service_discovery_private_dns_namespace" "this" {
  count = local.makes_namespace ? 1 : 0

  name = "${var.name}.internal"
  vpc  = var.vpc_id
  tags = var.tags
}

data "aws_service_discovery_dns_namespace" "existing" {
  count = var.telemetry != null && !local.makes_namespace ? 1 : 0

  name = var.telemetry.existing_namespace
  type = "DNS_PRIVATE"
}

resource "aws_service_discovery_service" "supervisor" {
  count = var.telemetry == null ? 0 : 1

  name          = "${var.name}-supervisor"
  force_destroy = true # ECS may not have taken the last task's address out yet
  tags          = var.tags

  dns_config {
    namespace_id   = one(concat(aws_service_discovery_private_dns_namespace.this[*].id, data.aws_service_discovery_dns_namespace.existing[*].id))
    routing_policy = "MULTIVALUE"

    dns_records {
      type = "A"
      ttl  = 10
    }
  }
}

locals {
  makes_namespace = var.telemetry != null && try(var.telemetry.existing_namespace == null, false)
  telemetry_host  = var.telemetry == null ? null : "${var.name}-supervisor.${coalesce(var.telemetry.existing_namespace, "${var.name}.internal")}"
  telemetry_urls  = { for name in keys(var.fleets) : name => "http://${local.telemetry_host}:${var.telemetry.port}/v1/telemetry/${name}" if var.telemetry != null }
}
