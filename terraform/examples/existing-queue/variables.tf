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

variable "queue_url" {
  description = "URL of the queue."
  type        = string
}

variable "dead_letter_queue_url" {
  description = "URL of its dead-letter queue; null: it has none."
  type        = string
  default     = null
}

variable "queue_kms_key_arn" {
  description = "KMS key of the customer that encrypts the queue; null: it has none."
  type        = string
  default     = null
}
