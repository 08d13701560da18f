# Who may talk to whom: workers to the supervisor on one port, both out by HTTPS, and nothing else.

resource "aws_security_group" "supervisor" {
  name_prefix = "${var.name}-supervisor-"
  description = "Sluice supervisor: telemetry of workers in, HTTPS out"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-supervisor" })

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_security_group" "worker" {
  count = length(local.made_services) > 0 ? 1 : 0

  name_prefix = "${var.name}-worker-"
  description = "Sluice workers: nothing in, HTTPS and telemetry out"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-worker" })

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_egress_rule" "supervisor_https" {
  security_group_id = aws_security_group.supervisor.id
  description       = "AWS's APIs"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  tags              = var.tags
}

resource "aws_vpc_security_group_egress_rule" "worker_https" {
  count = length(aws_security_group.worker)

  security_group_id = aws_security_group.worker[0].id
  description       = "AWS's APIs"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  tags              = var.tags
}

resource "aws_vpc_security_group_egress_rule" "worker_telemetry" {
  count = var.telemetry == null ? 0 : length(aws_security_group.worker)

  security_group_id            = aws_security_group.worker[0].id
  description                  = "Telemetry to the supervisor"
  referenced_security_group_id = aws_security_group.supervisor.id
  ip_protocol                  = "tcp"
  from_port                    = var.telemetry.port
  to_port                      = var.telemetry.port
  tags                         = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "supervisor_telemetry" {
  count = var.telemetry == null ? 0 : length(aws_security_group.worker)

  security_group_id            = aws_security_group.supervisor.id
  description                  = "Telemetry of the workers"
  referenced_security_group_id = aws_security_group.worker[0].id
  ip_protocol                  = "tcp"
  from_port                    = var.telemetry.port
  to_port                      = var.telemetry.port
  tags                         = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "supervisor_telemetry_of_clients" {
  count = var.telemetry == null ? 0 : length(var.telemetry.client_security_group_ids)

  security_group_id            = aws_security_group.supervisor.id
  description                  = "Telemetry of tasks of existing services"
  referenced_security_group_id = var.telemetry.client_security_group_ids[count.index]
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

  name = "${var.name}-supervisor"
  tags = var.tags

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
