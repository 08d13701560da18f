variable "region" {
  description = "AWS region."
  type        = string
  default     = "eu-central-1"
}

variable "vpc_id" {
  description = "VPC of the tasks."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets with a way to AWS's APIs."
  type        = list(string)
}

variable "public_subnets" {
  description = "Whether these are subnets with an internet gateway and no NAT, such as those of a default VPC."
  type        = bool
  default     = false
}

variable "architecture" {
  description = "X86_64 or ARM64: what the images are built for. ARM64 costs a fifth less."
  type        = string
  default     = "X86_64"
}

variable "telemetry_token_arn" {
  description = "SSM parameter with the token that workers show the supervisor; see the module's README."
  type        = string
}

variable "alarm_topic_arn" {
  description = "SNS topic that is told of alarms; null: nobody is."
  type        = string
  default     = null
}
