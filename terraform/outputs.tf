output "sluice_command" {
  description = "Shows what the supervisor sees and does; with execute_command, else the supervisor's log."
  value = var.execute_command ? join(" ", [
    "aws ecs execute-command --region ${local.region} --cluster ${local.cluster} --container supervisor --interactive --command 'sluice status'",
    "--task \"$(aws ecs list-tasks --region ${local.region} --cluster ${local.cluster} --service-name ${aws_ecs_service.supervisor.name} --query 'taskArns[0]' --output text)\"",
  ]) : "aws logs tail ${aws_cloudwatch_log_group.task["/supervisor"].name} --region ${local.region} --follow"
}

output "configuration" {
  description = "The supervisor's configuration, for `sluice check` and `sluice plan` on your own machine."
  value       = local.configuration
}

output "cluster" {
  description = "Name of the ECS cluster."
  value       = local.cluster
}

output "supervisor_service" {
  description = "Name of the supervisor's service."
  value       = aws_ecs_service.supervisor.name
}

output "worker_services" {
  description = "Names of the fleets' services."
  value       = local.services
}

output "queue_urls" {
  description = "URLs of the fleets' queues."
  value       = { for name, queue in local.queues : name => queue.url }
}

output "dead_letter_queue_urls" {
  description = "URLs of their dead-letter queues, null where none is known."
  value       = { for name, queue in local.queues : name => queue.dead_letter_url }
}

output "topic_arns" {
  description = "ARNs of the topics that feed them."
  value       = local.topic_arns
}

output "repository_urls" {
  description = "Where the images are pushed to."
  value       = { for role, repository in aws_ecr_repository.this : role => repository.repository_url }
}

output "image_prefix" {
  description = "The same for deploy/build-images --prefix: what stands before sluice-supervisor and sluice-worker; null without repositories."
  value       = try(trimsuffix(aws_ecr_repository.this["supervisor"].repository_url, "sluice-supervisor"), null)
}

output "worker_environment" {
  description = "What a service that is there already has to have in its task definition's environment."
  value       = local.worker_environment
}

output "worker_policies" {
  description = "What the task role of such a service has to allow, as JSON."
  value       = { for name in keys(var.fleets) : name => data.aws_iam_policy_document.role["worker/${name}"].json }
}

output "supervisor_policy" {
  description = "What the supervisor's task role allows, as JSON."
  value       = data.aws_iam_policy_document.role["supervisor"].json
}

output "execution_policies" {
  description = "What the execution role of each task has to allow, as JSON; the supervisor's under /supervisor."
  value       = { for key in keys(local.images) : key => data.aws_iam_policy_document.role["execution/${trimprefix(key, "/")}"].json }
}

output "worker_role_arns" {
  description = "Task roles of the workers that are made here, for policies of what a handler needs."
  value       = local.worker_role_arns
}

output "worker_security_group_id" {
  description = "Security group of the workers that are made here, null without any."
  value       = try(aws_security_group.this["worker"].id, null)
}

output "supervisor_security_group_id" {
  description = "Security group of the supervisor."
  value       = aws_security_group.this["supervisor"].id
}

output "telemetry_urls" {
  description = "Where the workers of each fleet POST their telemetry; empty without telemetry."
  value       = local.telemetry_urls
}
