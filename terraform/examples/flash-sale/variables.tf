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
  description = "Private subnets with a way to AWS's APIs."
  type        = list(string)
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
