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
  description = "Secret with the token that workers show the supervisor; see the module's README."
  type        = string
}

variable "receipts_topic_arn" {
  description = "SNS topic that is there already."
  type        = string
}

variable "receipts_secret_arn" {
  description = "Secret that the receipts' handler gets as MAIL_KEY."
  type        = string
}

variable "kms_key_arn" {
  description = "KMS key for queues, logs, images and the lease; null: AWS's own keys."
  type        = string
  default     = null
}
