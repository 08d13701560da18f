# Queues with their dead-letter queues, and topics that feed them.

resource "aws_sqs_queue" "dead_letter" {
  for_each = local.made_queues

  name                      = "${var.name}-${each.key}-dlq${each.value.queue.fifo ? ".fifo" : ""}"
  fifo_queue                = each.value.queue.fifo ? true : null
  message_retention_seconds = each.value.queue.dead_letter_retention_s
  kms_master_key_id         = each.value.queue.kms_key_arn
  sqs_managed_sse_enabled   = each.value.queue.kms_key_arn == null ? true : null
  tags                      = var.tags
}

resource "aws_sqs_queue" "work" {
  for_each = local.made_queues

  name                       = "${var.name}-${each.key}${each.value.queue.fifo ? ".fifo" : ""}"
  fifo_queue                 = each.value.queue.fifo ? true : null
  visibility_timeout_seconds = each.value.queue.visibility_timeout_s
  message_retention_seconds  = each.value.queue.retention_s
  receive_wait_time_seconds  = 20
  kms_master_key_id          = each.value.queue.kms_key_arn
  sqs_managed_sse_enabled    = each.value.queue.kms_key_arn == null ? true : null
  tags                       = var.tags

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letter[each.key].arn
    maxReceiveCount     = each.value.queue.max_receive_count
  })
}

resource "aws_sqs_queue_redrive_allow_policy" "dead_letter" {
  for_each = local.made_queues

  queue_url = aws_sqs_queue.dead_letter[each.key].id
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.work[each.key].arn]
  })
}

locals {
  topic_arns = { for name, fleet in local.topics : name => try(aws_sns_topic.work[name].arn, fleet.topic.existing_arn) }

  # What the policies of queues and topics say: `plain` is refused without TLS, `allowed` is what others may do with them.
  resource_policies = merge(
    { for name, queue in aws_sqs_queue.work : name => {
      arn   = queue.arn
      plain = "sqs:*"
      allowed = [for topic, arn in local.topic_arns : {
        sid = "TakeFromTopic", action = "sqs:SendMessage", type = "Service", identifier = "sns.amazonaws.com", sources = [arn]
      } if topic == name]
    } },
    { for name, queue in aws_sqs_queue.dead_letter : "${name}/dlq" => { arn = queue.arn, plain = "sqs:*", allowed = [] } },
    { for name, topic in aws_sns_topic.work : "${name}/topic" => {
      arn   = topic.arn
      plain = "sns:Publish"
      allowed = [{
        sid = "PublishWithinAccount", action = "sns:Publish", type = "AWS", identifier = "${local.arn_start}:iam::${local.account}:root", sources = []
      }]
    } },
  )
}

data "aws_iam_policy_document" "resource" {
  for_each = local.resource_policies

  statement {
    sid       = "RefusePlainHttp"
    effect    = "Deny"
    actions   = [each.value.plain]
    resources = [each.value.arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

  dynamic "statement" {
    for_each = each.value.allowed
    content {
      sid       = statement.value.sid
      actions   = [statement.value.action]
      resources = [each.value.arn]

      principals {
        type        = statement.value.type
        identifiers = [statement.value.identifier]
      }
      dynamic "condition" {
        for_each = length(statement.value.sources) > 0 ? [statement.value.sources] : []
        content {
          test     = "ArnEquals"
          variable = "aws:SourceArn"
          values   = condition.value
        }
      }
    }
  }
}

resource "aws_sqs_queue_policy" "work" {
  for_each = local.made_queues

  queue_url = aws_sqs_queue.work[each.key].id
  policy    = data.aws_iam_policy_document.resource[each.key].json
}

resource "aws_sqs_queue_policy" "dead_letter" {
  for_each = local.made_queues

  queue_url = aws_sqs_queue.dead_letter[each.key].id
  policy    = data.aws_iam_policy_document.resource["${each.key}/dlq"].json
}

resource "aws_sns_topic" "work" {
  for_each = local.made_topics

  name              = "${var.name}-${each.key}${each.value.queue.fifo ? ".fifo" : ""}"
  fifo_topic        = each.value.queue.fifo ? true : null
  kms_master_key_id = coalesce(each.value.topic.kms_key_arn, "alias/aws/sns")
  tags              = var.tags
}

resource "aws_sns_topic_policy" "work" {
  for_each = local.made_topics

  arn    = aws_sns_topic.work[each.key].arn
  policy = data.aws_iam_policy_document.resource["${each.key}/topic"].json
}

resource "aws_sns_topic_subscription" "work" {
  for_each = local.topics

  topic_arn            = local.topic_arns[each.key]
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.work[each.key].arn
  raw_message_delivery = each.value.topic.raw
  filter_policy        = each.value.topic.filter_policy
}
