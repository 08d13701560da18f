output "sluice_command" {
  description = "Shows what the supervisor sees and does."
  value       = module.sluice.sluice_command
}

output "configuration" {
  description = "The supervisor's configuration, for sluice check and sluice plan."
  value       = module.sluice.configuration
}

output "worker_policy" {
  description = "What the service's task role has to allow, once its tasks run sluice-worker."
  value       = module.sluice.worker_policies["orders"]
}
