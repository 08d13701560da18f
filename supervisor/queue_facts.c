/* Asks a queue and its dead-letter queue for what "sluice check" judges; see preflight.h. */
#include "supervisor/preflight.h"

#include "aws/sqs.h"
#include "base/loop.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One question and its answer, on a loop that runs until it is there. */
struct asking {
    struct event_base *base;
    struct aws_client *client;
    struct aws_result result;
    struct sqs_queue_attributes attributes;
    struct strbuf text;
};

static void on_attributes(void *arg, const struct aws_result *result,
                          const struct sqs_queue_attributes *attributes)
{
    struct asking *asking = arg;
    asking->result = *result;
    asking->attributes = *attributes;
    (void)event_base_loopbreak(asking->base);
}

static void on_url(void *arg, const struct aws_result *result, const char *text)
{
    struct asking *asking = arg;
    asking->result = *result;
    strbuf_clear(&asking->text);
    strbuf_append_str(&asking->text, text);
    (void)event_base_loopbreak(asking->base);
}

static int conclude(struct asking *asking, const char *operation, struct err *err)
{
    char text[512];
    (void)event_base_dispatch(asking->base);
    if (asking->result.kind == AWS_KIND_OK)
        return 0;
    return err_set(err, "%s", aws_result_text(&asking->result, operation, text, sizeof text));
}

static int ask_attributes(struct asking *asking, const char *queue_url, struct err *err)
{
    (void)sqs_get_queue_attributes(asking->client, queue_url, true, on_attributes, asking);
    return conclude(asking, "GetQueueAttributes", err);
}

/* Source and dead-letter queue live in the same region and account (SQS demands it), so their URLs differ in
 * the last two parts of the path at most: arn:aws:sqs:REGION:ACCOUNT:NAME. */
static int dead_letter_url(const char *queue_url, const char *arn, struct strbuf *out)
{
    const char *name = strrchr(arn, ':');
    const char *end = strrchr(queue_url, '/');
    if (name == NULL || name[1] == '\0' || end == NULL)
        return -1;
    strbuf_append(out, queue_url, (size_t)(end - queue_url) + 1);
    strbuf_append_str(out, name + 1);
    return 0;
}

static void ask_dead_letter_queue(struct asking *asking, const char *queue_url, struct queue_facts *facts)
{
    struct err err = {.text = "its ARN cannot be read"};
    struct strbuf url = STRBUF_INIT;
    if (dead_letter_url(queue_url, facts->dead_letter_arn, &url) == 0 &&
        ask_attributes(asking, strbuf_str(&url), &err) == 0)
        facts->dead_letter_retention_s = asking->attributes.retention_s;
    else
        (void)snprintf(facts->dead_letter_error, sizeof facts->dead_letter_error, "%.255s", err.text);
    strbuf_clean_up(&url);
}

int queue_facts_read(const struct config *config, const struct config_fleet *fleet,
                     struct queue_facts *ret_facts, struct err *err)
{
    struct asking asking = {.base = loop_base_new(), .text = STRBUF_INIT};
    struct queue_facts facts = {.dead_letter_retention_s = -1};
    struct strbuf queue_url = STRBUF_INIT;
    struct aws_client_options options = {.base = asking.base,
                                         .region = config_fleet_region(config, fleet),
                                         .endpoint_url = config_fleet_endpoint(config, fleet)};
    int rc = -1;
    asking.client = aws_client_new(&options, err);
    if (asking.client == NULL)
        goto done;
    if (fleet->queue.url != NULL) {
        strbuf_append_str(&queue_url, fleet->queue.url);
    } else {
        (void)sqs_get_queue_url(asking.client, fleet->queue.name, on_url, &asking);
        if (conclude(&asking, "GetQueueUrl", err) != 0)
            goto done;
        strbuf_append_str(&queue_url, strbuf_str(&asking.text));
    }
    if (ask_attributes(&asking, strbuf_str(&queue_url), err) != 0)
        goto done;
    facts.max_receive_count = asking.attributes.max_receive_count;
    facts.retention_s = asking.attributes.retention_s;
    (void)snprintf(facts.dead_letter_arn, sizeof facts.dead_letter_arn, "%s",
                   asking.attributes.redrive_target_arn);
    if (facts.dead_letter_arn[0] != '\0')
        ask_dead_letter_queue(&asking, strbuf_str(&queue_url), &facts);
    *ret_facts = facts;
    rc = 0;
done:
    aws_client_destroy(asking.client);
    event_base_free(asking.base);
    strbuf_clean_up(&queue_url);
    strbuf_clean_up(&asking.text);
    return rc;
}
