variable "name" {
  description = "What everything is called, or begins with."
  type        = string
  default     = "sluice"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) <= 20
    error_message = "name: want a letter, then up to 19 of a-z and 0-9, with single - between them, as ECR has it."
  }
}

variable "tags" {
  description = "Tags of everything that can have some."
  type        = map(string)
  default     = {}
}

variable "vpc_id" {
  description = "VPC in which the tasks run."
  type        = string

  validation {
    condition     = startswith(var.vpc_id, "vpc-")
    error_message = "vpc_id: want the id of a VPC, such as vpc-0123456789abcdef0."
  }
}

variable "subnet_ids" {
  description = "Subnets of the tasks. They need a way to SQS, ECS, ECR and CloudWatch Logs: NAT, interface endpoints, or assign_public_ip."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) > 0 && alltrue([for id in var.subnet_ids : startswith(id, "subnet-")])
    error_message = "subnet_ids: want at least one id of a subnet, such as subnet-0123456789abcdef0."
  }
}

variable "assign_public_ip" {
  description = "Whether tasks get a public address: for subnets that have an internet gateway and no NAT. Nothing is let in by it."
  type        = bool
  default     = false
}

variable "existing_cluster" {
  description = "Name of an ECS cluster that is there already; null: one is made. One with Spot workers must have the capacity providers FARGATE and FARGATE_SPOT."
  type        = string
  default     = null
}

variable "container_insights" {
  description = "CloudWatch Container Insights of a cluster that is made here; costs extra."
  type        = bool
  default     = false
}

variable "create_repositories" {
  description = "Whether ECR repositories NAME/sluice-supervisor and NAME/sluice-worker are made, for images that are not given by name."
  type        = bool
  default     = true
}

variable "image_tag" {
  description = "Tag of the images in these repositories. Tags are immutable: choose another one for another image."
  type        = string
  default     = "0.1.0"

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", var.image_tag))
    error_message = "image_tag: want up to 128 letters, digits, and . _ -"
  }
}

variable "images_kept" {
  description = "How many images a repository keeps; older ones are deleted."
  type        = number
  default     = 10

  validation {
    condition     = var.images_kept >= 2 && var.images_kept <= 1000 && floor(var.images_kept) == var.images_kept
    error_message = "images_kept: want a whole number from 2 to 1000."
  }
}

variable "log_retention_days" {
  description = "How long CloudWatch keeps the logs."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days: want 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "kms_key_arn" {
  description = "KMS key for logs, images and the lease table; null: AWS's own keys. Its policy must let logs.REGION.amazonaws.com use it."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:", var.kms_key_arn))
    error_message = "kms_key_arn: want the ARN of a KMS key."
  }
}

variable "secrets_kms_key_arns" {
  description = "Keys of the customer that encrypt the given secrets; with AWS's own keys none is needed."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.secrets_kms_key_arns : can(regex("^arn:aws[a-z-]*:kms:", arn))])
    error_message = "secrets_kms_key_arns: want ARNs of KMS keys."
  }
}

variable "existing_execution_role_arn" {
  description = "Task execution role of all tasks that is there already; it has to allow what the output execution_policies says. null: one a task is made."
  type        = string
  default     = null

  validation {
    condition     = var.existing_execution_role_arn == null || can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/", var.existing_execution_role_arn))
    error_message = "existing_execution_role_arn: want the ARN of a role."
  }
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the roles that are made here; null: none."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:aws[a-z-]*:iam::(aws|[0-9]{12}):policy/", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn: want the ARN of a policy."
  }
}

variable "supervisor" {
  description = "The supervisor's service. count 2: one leads, the other one takes over, by a lease in DynamoDB. lease_table: the table also with one supervisor, whose state then survives its task. image null: the repository that is made here. existing_role_arn: a task role that allows what the output supervisor_policy says; null: one is made."
  type = object({
    image             = optional(string)
    existing_role_arn = optional(string)
    cpu               = optional(number, 256)
    memory            = optional(number, 512)
    architecture      = optional(string, "X86_64")
    count             = optional(number, 1)
    lease_table       = optional(bool, false)
    lease             = optional(string, "10s")
    heartbeat         = optional(string, "2s")
    log_level         = optional(string, "info")
  })
  default = {}

  validation {
    condition     = contains([1, 2], var.supervisor.count)
    error_message = "supervisor.count: want 1 or 2."
  }
  validation {
    condition     = var.supervisor.existing_role_arn == null || can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/", var.supervisor.existing_role_arn))
    error_message = "supervisor.existing_role_arn: want the ARN of a role."
  }
  validation {
    condition     = contains(["X86_64", "ARM64"], var.supervisor.architecture)
    error_message = "supervisor.architecture: want X86_64 or ARM64."
  }
  validation {
    condition     = contains([256, 512, 1024, 2048, 4096], var.supervisor.cpu) && var.supervisor.memory >= 2 * var.supervisor.cpu && var.supervisor.memory <= 8 * var.supervisor.cpu
    error_message = "supervisor.cpu, supervisor.memory: want 256, 512, 1024, 2048 or 4096 units, and two to eight MiB for each."
  }
  validation {
    condition     = contains(["debug", "info", "warning", "error"], var.supervisor.log_level)
    error_message = "supervisor.log_level: want debug, info, warning or error."
  }
}

variable "execute_command" {
  description = "ECS Exec into the supervisor, for `sluice status` and orders; its root file system is writable then, as ECS Exec needs it."
  type        = bool
  default     = false
}

variable "telemetry" {
  description = "Workers tell the supervisor what they do, and busy tasks are protected before the desired count falls. token_arn: SSM parameter or Secrets Manager secret with 16 to 512 printable characters. existing_namespace: name of a private DNS namespace of Cloud Map; null: NAME.internal is made. client_security_group_ids: tasks of existing services. null: no telemetry."
  type = object({
    token_arn                 = string
    port                      = optional(number, 9401)
    existing_namespace        = optional(string)
    client_security_group_ids = optional(list(string), [])
  })
  default = null

  validation {
    condition     = var.telemetry == null || can(regex("^arn:aws[a-z-]*:(ssm:[^:]+:[0-9]{12}:parameter/|secretsmanager:[^:]+:[0-9]{12}:secret:)", var.telemetry.token_arn))
    error_message = "telemetry.token_arn: want the ARN of an SSM parameter or of a Secrets Manager secret."
  }
  validation {
    condition     = try(var.telemetry.port >= 1024 && var.telemetry.port <= 65535, true)
    error_message = "telemetry.port: want 1024 to 65535."
  }
}

variable "metrics_namespace" {
  description = "CloudWatch namespace in which the supervisor publishes each fleet's metrics ($2.40 a fleet and month); the alarms \"silent\" and \"at max\" need them. null: none."
  type        = string
  default     = "Sluice"
}

variable "alarm_actions" {
  description = "ARNs that are told of alarms and of their end, such as SNS topics."
  type        = list(string)
  default     = []
}

variable "dashboard" {
  description = "Whether a CloudWatch dashboard is made."
  type        = bool
  default     = true
}

variable "api_budget_usd_per_month" {
  description = "What reading the queues may cost a month, all fleets together; null: any sum (docs/polling.md)."
  type        = number
  default     = null
}

variable "fleets" {
  description = "The fleets, by name. queue: made here unless existing_url is given. topic: subscribed to a queue that is made here; made, too, unless existing_arn is given. existing_service: an ECS service of the cluster that is there already and stays as it is but for its desired count. policy, capacity: docs/policies.md."
  type = map(object({
    queue = optional(object({
      existing_url             = optional(string)
      existing_dead_letter_url = optional(string)
      fifo                     = optional(bool, false)
      kms_key_arn              = optional(string)
      visibility_timeout_s     = optional(number, 30)
      retention_s              = optional(number, 345600)
      dead_letter_retention_s  = optional(number, 1209600)
      max_receive_count        = optional(number, 10)
      poll                     = optional(string, "5s")
      poll_max                 = optional(string)
      cloudwatch               = optional(string, "off")
    }), {})

    topic = optional(object({
      existing_arn  = optional(string)
      raw           = optional(bool, true)
      filter_policy = optional(string)
      kms_key_arn   = optional(string)
    }))

    existing_service = optional(string)

    worker = optional(object({
      image               = optional(string)
      arguments           = optional(list(string), [])
      existing_role_arn   = optional(string)
      cpu                 = optional(number, 256)
      memory              = optional(number, 512)
      architecture        = optional(string, "X86_64")
      num_workers         = optional(number, 100)
      stop_timeout_s      = optional(number, 120)
      quarantine_after    = optional(number, 0)
      environment         = optional(map(string), {})
      secrets             = optional(map(string), {})
      policy_arns         = optional(map(string), {})
      security_group_ids  = optional(list(string), [])
      writable_root       = optional(bool, false)
      init_process        = optional(bool, false)
      spot                = optional(bool, false)
      on_demand_base      = optional(number, 2)
      spot_share_percent  = optional(number, 100)
      start_grace         = optional(string, "10m")
      deployment_rollback = optional(bool, true)
    }), {})

    capacity = optional(object({
      min    = optional(number, 2)
      target = optional(number)
      max    = optional(number, 30)
    }), {})

    policy = optional(object({
      type                = optional(string, "threshold")
      scale_out_above     = optional(number)
      scale_in_below      = optional(number)
      scale_in_after      = optional(string)
      cooldown            = optional(string)
      scale_out_cooldown  = optional(string)
      scale_in_cooldown   = optional(string)
      stale_after         = optional(string)
      fallback_after      = optional(string)
      fallback            = optional(string)
      scale_in_busy_share = optional(number)
      steps = optional(list(object({
        above = number
        add   = optional(number)
        to    = optional(string)
      })))
    }), {})

    on_drift = optional(string, "adopt")

    alarms = optional(object({
      oldest_age_s   = optional(number, 300)
      at_max_minutes = optional(number, 30)
      silent_minutes = optional(number, 5)
    }), {})
  }))

  validation {
    condition     = length(var.fleets) > 0 && alltrue([for name in keys(var.fleets) : can(regex("^[a-z0-9-]{1,40}$", name))])
    error_message = "fleets: want at least one, named by 1 to 40 of a-z, 0-9 and -."
  }
  validation {
    condition     = alltrue([for name in keys(var.fleets) : !can(regex("^supervisor$|-exec$|-dlq$", name))])
    error_message = "fleets: supervisor and names that end in -exec or -dlq belong to what is made beside the fleets."
  }
  validation {
    condition     = alltrue([for f in var.fleets : f.capacity.min >= 1 && f.capacity.min <= coalesce(f.capacity.target, f.capacity.max) && coalesce(f.capacity.target, f.capacity.max) <= f.capacity.max && f.capacity.max <= 5000])
    error_message = "fleets: capacity: want 1 <= min <= target <= max <= 5000, the tasks that a service can have."
  }
  validation {
    condition     = alltrue([for f in var.fleets : f.queue.existing_url == null || can(regex("^https?://[^/@]+/[0-9]{12}/[A-Za-z0-9_-]{1,80}([.]fifo)?$", f.queue.existing_url))])
    error_message = "fleets: queue.existing_url: want a queue's URL, such as https://sqs.eu-central-1.amazonaws.com/123456789012/orders."
  }
  validation {
    condition     = alltrue([for f in var.fleets : f.queue.existing_dead_letter_url == null || can(regex("^https?://[^/@]+/[0-9]{12}/[A-Za-z0-9_-]{1,80}([.]fifo)?$", f.queue.existing_dead_letter_url))])
    error_message = "fleets: queue.existing_dead_letter_url: want a queue's URL, such as https://sqs.eu-central-1.amazonaws.com/123456789012/orders-dlq."
  }
  validation {
    condition     = alltrue([for f in var.fleets : f.queue.existing_url != null || f.queue.existing_dead_letter_url == null])
    error_message = "fleets: queue.existing_dead_letter_url: want existing_url, too; a queue that is made here has one of its own."
  }
  validation {
    condition     = alltrue([for f in var.fleets : f.topic == null || f.queue.existing_url == null])
    error_message = "fleets: topic: a queue that is there already keeps its policy, so subscribe it yourself."
  }
  validation {
    condition     = alltrue([for f in var.fleets : f.queue.max_receive_count >= 5 && f.queue.max_receive_count <= 1000])
    error_message = "fleets: queue.max_receive_count: want 5 to 1000: each hand-back of a draining worker counts as a receive."
  }
  validation {
    condition     = alltrue([for f in var.fleets : f.queue.visibility_timeout_s >= 0 && f.queue.visibility_timeout_s <= 43200 && f.queue.retention_s >= 60 && f.queue.retention_s <= f.queue.dead_letter_retention_s && f.queue.dead_letter_retention_s <= 1209600])
    error_message = "fleets: queue: want visibility_timeout_s from 0 to 43200, and 60 <= retention_s <= dead_letter_retention_s <= 1209600."
  }
  validation {
    condition     = alltrue([for f in var.fleets : contains(["off", "fallback", "on"], f.queue.cloudwatch)])
    error_message = "fleets: queue.cloudwatch: want off, fallback or on."
  }
  validation {
    condition     = alltrue([for f in var.fleets : contains([256, 512, 1024, 2048, 4096], f.worker.cpu) && f.worker.memory >= 2 * f.worker.cpu && f.worker.memory <= 8 * f.worker.cpu])
    error_message = "fleets: worker.cpu, worker.memory: want 256, 512, 1024, 2048 or 4096 units, and two to eight MiB for each."
  }
  validation {
    condition     = alltrue([for f in var.fleets : contains(["X86_64", "ARM64"], f.worker.architecture)])
    error_message = "fleets: worker.architecture: want X86_64 or ARM64."
  }
  validation {
    condition     = alltrue([for f in var.fleets : f.worker.num_workers >= 1 && f.worker.num_workers <= 10000])
    error_message = "fleets: worker.num_workers: want 1 to 10000."
  }
  validation {
    condition     = alltrue([for f in var.fleets : f.worker.stop_timeout_s >= 15 && f.worker.stop_timeout_s <= 120])
    error_message = "fleets: worker.stop_timeout_s: want 15 to 120, the most that Fargate waits."
  }
  validation {
    condition     = alltrue([for f in var.fleets : f.worker.quarantine_after == 0 || f.worker.quarantine_after >= 5])
    error_message = "fleets: worker.quarantine_after: want 0 (never) or 5 and more: each hand-back counts as a receive."
  }
  validation {
    condition     = alltrue([for f in var.fleets : f.worker.spot_share_percent >= 0 && f.worker.spot_share_percent <= 100 && f.worker.on_demand_base >= 0])
    error_message = "fleets: worker.spot_share_percent, worker.on_demand_base: want 0 to 100, and 0 or more."
  }
  validation {
    condition     = alltrue([for f in var.fleets : alltrue([for arn in values(f.worker.secrets) : can(regex("^arn:aws[a-z-]*:(ssm|secretsmanager):", arn))])])
    error_message = "fleets: worker.secrets: want ARNs of SSM parameters or Secrets Manager secrets."
  }
  validation {
    condition     = alltrue([for f in var.fleets : f.worker.existing_role_arn == null || can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/", f.worker.existing_role_arn))])
    error_message = "fleets: worker.existing_role_arn: want the ARN of a role."
  }
  validation {
    condition     = alltrue([for f in var.fleets : f.worker.existing_role_arn == null || length(f.worker.policy_arns) == 0])
    error_message = "fleets: worker.policy_arns: a role that is there already keeps its policies."
  }
  validation {
    condition     = alltrue([for f in var.fleets : contains(["adopt", "reassert"], f.on_drift)])
    error_message = "fleets: on_drift: want adopt or reassert."
  }
  validation {
    condition     = alltrue([for f in var.fleets : f.alarms.at_max_minutes >= 1 && f.alarms.at_max_minutes <= 1440 && f.alarms.silent_minutes >= 2 && f.alarms.silent_minutes <= 1440 && f.alarms.oldest_age_s >= 1])
    error_message = "fleets: alarms: want at_max_minutes from 1 to 1440, silent_minutes from 2 to 1440, oldest_age_s of at least 1."
  }
}
