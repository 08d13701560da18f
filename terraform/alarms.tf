# Alarms of each fleet, and one dashboard for all.

resource "aws_cloudwatch_metric_alarm" "oldest" {
  for_each = var.fleets

  alarm_name          = "${var.name}-${each.key}-oldest-message"
  alarm_description   = "Messages of fleet ${each.key} wait longer than ${each.value.alarms.oldest_age_s} s. Is the fleet at its maximum, or do its tasks not start?"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = local.queues[each.key].name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.alarms.oldest_age_s
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  for_each = { for name, fleet in var.fleets : name => fleet if fleet.queue.existing_url == null || fleet.queue.existing_dead_letter_url != null }

  alarm_name          = "${var.name}-${each.key}-dead-letters"
  alarm_description   = "The dead-letter queue of fleet ${each.key} holds messages: look at them, mend the cause, and redrive."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = local.queues[each.key].dead_letter }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "silent" {
  for_each = var.metrics_namespace == null ? {} : var.fleets

  alarm_name          = "${var.name}-${each.key}-supervisor-silent"
  alarm_description   = "No supervisor has told anything of fleet ${each.key} for ${each.value.alarms.silent_minutes} minutes. The fleet stays as it is and is not scaled."
  namespace           = var.metrics_namespace
  metric_name         = "Desired"
  dimensions          = { Fleet = each.key }
  statistic           = "SampleCount"
  period              = 60
  evaluation_periods  = each.value.alarms.silent_minutes
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "at_max" {
  for_each = var.metrics_namespace == null ? {} : var.fleets

  alarm_name          = "${var.name}-${each.key}-at-max"
  alarm_description   = "Fleet ${each.key} has had ${each.value.capacity.max} workers ordered, its maximum, for ${each.value.alarms.at_max_minutes} minutes."
  namespace           = var.metrics_namespace
  metric_name         = "Desired"
  dimensions          = { Fleet = each.key }
  statistic           = "Minimum"
  period              = 60
  evaluation_periods  = each.value.alarms.at_max_minutes
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = each.value.capacity.max
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  tags                = var.tags
}

locals {
  # One row a fleet: the queue, its age, and who works on it.
  widgets = flatten([for index, name in sort(keys(var.fleets)) : concat(
    [
      { type = "metric", x = 0, y = index * 6, width = 8, height = 6, properties = {
        title = "${name}: queue", region = local.queues[name].region, period = 60, stat = "Maximum"
        metrics = concat(
          [
            ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", local.queues[name].name],
            ["AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "QueueName", local.queues[name].name],
          ],
          local.queues[name].has_dead_letter ? [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", local.queues[name].dead_letter]] : [],
        )
      } },
      { type = "metric", x = 8, y = index * 6, width = 8, height = 6, properties = {
        title   = "${name}: oldest message", region = local.queues[name].region, period = 60, stat = "Maximum"
        metrics = [["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", local.queues[name].name]]
      } },
    ],
    var.metrics_namespace == null ? [] : [
      { type = "metric", x = 16, y = index * 6, width = 8, height = 6, properties = {
        title   = "${name}: workers", region = local.queues[name].region, period = 60, stat = "Maximum"
        metrics = [for metric in ["Desired", "Ready", "Starting", "Stopping"] : [var.metrics_namespace, metric, "Fleet", name]]
      } },
    ],
  )])
}

resource "aws_cloudwatch_dashboard" "this" {
  count = var.dashboard ? 1 : 0

  dashboard_name = var.name
  dashboard_body = jsonencode({ widgets = local.widgets })
}
