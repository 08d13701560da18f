# Alarms of each fleet, and one dashboard for all.

locals {
  # metric: namespace, name, dimension and its value. breach: statistic of a minute, comparison, threshold; told when it was so
  # in each of so many minutes, or in `breaching` of them. without: what a minute without data is. An alarm sees metrics of its own
  # region alone: of a queue elsewhere it would never tell anything.
  alarms = merge([for name, fleet in var.fleets : {
    for kind, alarm in {
      oldest-message = {
        wanted      = local.queues[name].region == local.region
        description = "Messages of fleet ${name} wait longer than ${fleet.alarms.oldest_age_s} s. Is the fleet at its maximum, or do its tasks not start?"
        metric      = ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", local.queues[name].name]
        breach      = ["Maximum", "GreaterThanThreshold", fleet.alarms.oldest_age_s]
        minutes     = 5
        breaching   = 3
        without     = "notBreaching"
      }
      dead-letters = {
        wanted      = local.queues[name].has_dead_letter && try(local.adopted["${name}/dlq"].region, local.region) == local.region
        description = "The dead-letter queue of fleet ${name} holds messages: look at them, mend the cause, and redrive."
        metric      = ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", local.queues[name].dead_letter]
        breach      = ["Maximum", "GreaterThanThreshold", 0]
        minutes     = 1
        breaching   = null
        without     = "notBreaching"
      }
      supervisor-silent = {
        wanted      = var.metrics_namespace != null
        description = "No supervisor has told anything of fleet ${name} for ${fleet.alarms.silent_minutes} minutes. The fleet stays as it is and is not scaled."
        metric      = [var.metrics_namespace, "Desired", "Fleet", name]
        breach      = ["SampleCount", "LessThanThreshold", 1]
        minutes     = fleet.alarms.silent_minutes
        breaching   = null
        without     = "breaching"
      }
      at-max = {
        wanted      = var.metrics_namespace != null && fleet.capacity.min < fleet.capacity.max
        description = "Fleet ${name} has had ${fleet.capacity.max} workers ordered, its maximum, for ${fleet.alarms.at_max_minutes} minutes."
        metric      = [var.metrics_namespace, "Desired", "Fleet", name]
        breach      = ["Minimum", "GreaterThanOrEqualToThreshold", fleet.capacity.max]
        minutes     = fleet.alarms.at_max_minutes
        breaching   = null
        without     = "notBreaching"
      }
    } : "${name}-${kind}" => alarm if alarm.wanted
  }]...)
}

resource "aws_cloudwatch_metric_alarm" "fleet" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.metric[0]
  metric_name         = each.value.metric[1]
  dimensions          = { (each.value.metric[2]) = each.value.metric[3] }
  statistic           = each.value.breach[0]
  comparison_operator = each.value.breach[1]
  threshold           = each.value.breach[2]
  period              = 60
  evaluation_periods  = each.value.minutes
  datapoints_to_alarm = each.value.breaching
  treat_missing_data  = each.value.without
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
