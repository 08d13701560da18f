output "sluice_command" {
  description = "Shows what the supervisor sees and does."
  value       = module.sluice.sluice_command
}

output "configuration" {
  description = "The supervisor's configuration, for sluice check and sluice plan."
  value       = module.sluice.configuration
}

output "topic_arn" {
  description = "Where orders are published."
  value       = module.sluice.topic_arns["orders"]
}

output "image_prefix" {
  description = "For deploy/build-images --prefix, and where the images are pushed to."
  value       = module.sluice.image_prefix
}
