output "sluice_command" {
  description = "Shows what the supervisor sees and does."
  value       = module.sluice.sluice_command
}

output "configuration" {
  description = "The supervisor's configuration, for sluice check and sluice plan."
  value       = module.sluice.configuration
}
