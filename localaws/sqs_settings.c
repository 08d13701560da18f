/* Queue attributes that can be set; see sqs_settings.h. Ranges and defaults: SQS API reference,
 * SetQueueAttributes. */
#include "localaws/sqs_settings.h"

#include "base/alloc.h"
#include "base/jsonw.h"
#include "localaws/json_slice.h"

#include <inttypes.h>
#include <stdlib.h>

enum kind { KIND_INT, KIND_BOOL, KIND_WORD, KIND_TEXT, KIND_REDRIVE, KIND_REDRIVE_ALLOW };

enum queues { ANY_QUEUE, FIFO_ONLY };

struct row {
    const char *name;
    enum kind kind;
    enum queues queues;
    size_t offset;
    int64_t min, max, fallback;
    const char *words[2]; /* KIND_WORD: what the values 0 and 1 are called */
};

#define FIELD(f) offsetof(struct sqs_settings, f)

#define NO_WORDS                                                                                             \
    {                                                                                                        \
        NULL, NULL                                                                                           \
    }

static const struct row ROWS[] = {
    {"VisibilityTimeout", KIND_INT, ANY_QUEUE, FIELD(visibility_timeout_s), 0, 43200, 30, NO_WORDS},
    {"DelaySeconds", KIND_INT, ANY_QUEUE, FIELD(delay_s), 0, 900, 0, NO_WORDS},
    {"MaximumMessageSize", KIND_INT, ANY_QUEUE, FIELD(maximum_message_bytes), 1024, 1048576, 1048576,
     NO_WORDS},
    {"MessageRetentionPeriod", KIND_INT, ANY_QUEUE, FIELD(retention_s), 60, 1209600, 345600, NO_WORDS},
    {"ReceiveMessageWaitTimeSeconds", KIND_INT, ANY_QUEUE, FIELD(receive_wait_s), 0, 20, 0, NO_WORDS},
    {"RedrivePolicy", KIND_REDRIVE, ANY_QUEUE, 0, 0, 0, 0, NO_WORDS},
    {"RedriveAllowPolicy", KIND_REDRIVE_ALLOW, ANY_QUEUE, 0, 0, 0, 0, NO_WORDS},
    {"Policy", KIND_TEXT, ANY_QUEUE, FIELD(policy), 0, 0, 0, NO_WORDS},
    {"KmsMasterKeyId", KIND_TEXT, ANY_QUEUE, FIELD(kms_key_id), 0, 0, 0, NO_WORDS},
    {"KmsDataKeyReusePeriodSeconds", KIND_INT, ANY_QUEUE, FIELD(kms_reuse_s), 60, 86400, 0, NO_WORDS},
    {"SqsManagedSseEnabled", KIND_BOOL, ANY_QUEUE, FIELD(sse_enabled), 0, 1, 1, NO_WORDS},
    {"FifoQueue", KIND_BOOL, FIFO_ONLY, FIELD(is_fifo), 0, 1, 0, NO_WORDS},
    {"ContentBasedDeduplication", KIND_BOOL, FIFO_ONLY, FIELD(content_based_deduplication), 0, 1, 0,
     NO_WORDS},
    {"DeduplicationScope",
     KIND_WORD,
     FIFO_ONLY,
     FIELD(deduplication_scope),
     0,
     1,
     0,
     {"queue", "messageGroup"}},
    {"FifoThroughputLimit",
     KIND_WORD,
     FIFO_ONLY,
     FIELD(throughput_limit),
     0,
     1,
     0,
     {"perQueue", "perMessageGroupId"}},
};

enum { ROW_COUNT = sizeof ROWS / sizeof *ROWS };

_Static_assert((int)ROW_COUNT == (int)SQS_SETTINGS_COUNT, "the count in the header is the table's");

static int64_t *int_field(const struct row *row, struct sqs_settings *s)
{
    return (int64_t *)(void *)((char *)s + row->offset);
}

static bool *bool_field(const struct row *row, struct sqs_settings *s)
{
    return (bool *)(void *)((char *)s + row->offset);
}

static char **text_field(const struct row *row, struct sqs_settings *s)
{
    return (char **)(void *)((char *)s + row->offset);
}

void sqs_settings_init(struct sqs_settings *s)
{
    *s = (struct sqs_settings){.dead_letter_arn = NULL};
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (ROWS[i].kind == KIND_INT)
            *int_field(&ROWS[i], s) = ROWS[i].fallback;
        if (ROWS[i].kind == KIND_BOOL)
            *bool_field(&ROWS[i], s) = ROWS[i].fallback != 0;
    }
}

void sqs_settings_clean_up(struct sqs_settings *s)
{
    free(s->dead_letter_arn);
    free(s->redrive_allow_policy);
    free(s->redrive_source_arns);
    free(s->policy);
    free(s->kms_key_id);
    *s = (struct sqs_settings){.dead_letter_arn = NULL};
}

static char *copy_text(const char *text)
{
    return text == NULL ? NULL : xstrdup(text);
}

void sqs_settings_copy(struct sqs_settings *to, const struct sqs_settings *from)
{
    *to = *from;
    to->dead_letter_arn = copy_text(from->dead_letter_arn);
    to->redrive_allow_policy = copy_text(from->redrive_allow_policy);
    to->redrive_source_arns = copy_text(from->redrive_source_arns);
    to->policy = copy_text(from->policy);
    to->kms_key_id = copy_text(from->kms_key_id);
}

static void replace_text(char **field, struct slice text)
{
    free(*field);
    *field = text.len == 0 ? NULL : xstrndup(text.at, text.len);
}

static bool parse_int(struct slice text, int64_t *value)
{
    int64_t number = 0;
    if (text.len == 0 || text.len > 15)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        number = number * 10 + (text.at[i] - '0');
    }
    *value = number;
    return true;
}

/* {"deadLetterTargetArn": "...", "maxReceiveCount": 5}; the count may be a number or a text. */
static const char *parse_redrive(char *text, size_t len, struct slice *arn, int64_t *count)
{
    struct jsonp p = jsonp_start(text, len);
    size_t offset = 0;
    struct slice key;
    struct slice digits;
    *count = 10;
    (void)jsonp_object(&p);
    while (json_slice_next_key(&p, &key)) {
        if (slice_is(key, "deadLetterTargetArn"))
            (void)json_slice_string(&p, arn);
        else if (!slice_is(key, "maxReceiveCount"))
            return "it knows deadLetterTargetArn and maxReceiveCount only";
        else if (jsonp_peek(&p) != JSONP_STRING)
            (void)jsonp_int(&p, count);
        else if (!json_slice_string(&p, &digits) || !parse_int(digits, count))
            return "maxReceiveCount must be a number from 1 to 1000";
    }
    if (!jsonp_finish(&p))
        return jsonp_problem(&p, &offset);
    if (arn->len == 0)
        return "deadLetterTargetArn is missing";
    return *count < 1 || *count > 1000 ? "maxReceiveCount must be a number from 1 to 1000" : NULL;
}

static enum sqs_error set_redrive(struct sqs_settings *s, struct slice value, struct sqs_failure *failure)
{
    char *text = xstrndup(value.at, value.len);
    struct slice arn = {NULL, 0};
    int64_t count = 0;
    const char *why = value.len == 0 ? NULL : parse_redrive(text, value.len, &arn, &count);
    if (why == NULL) {
        replace_text(&s->dead_letter_arn, arn);
        s->max_receive_count = count;
    }
    free(text);
    if (why != NULL)
        return sqs_fail(failure, SQS_INVALID_PARAMETER_VALUE,
                        "Value %.*s for parameter RedrivePolicy is invalid. Reason: %s.",
                        (int)(value.len < 200 ? value.len : 200), value.at, why);
    return SQS_OK;
}

static const char *parse_permission(struct slice word, enum sqs_redrive_permission *permission)
{
    static const char *const WORDS[] = {"allowAll", "denyAll", "byQueue"};
    for (int i = 0; i < 3; i++) {
        if (slice_is(word, WORDS[i])) {
            *permission = (enum sqs_redrive_permission)i;
            return NULL;
        }
    }
    return "redrivePermission must be allowAll, denyAll or byQueue";
}

static const char *parse_redrive_allow(char *text, size_t len, enum sqs_redrive_permission *permission,
                                       struct strbuf *arns)
{
    struct jsonp p = jsonp_start(text, len);
    size_t offset = 0;
    struct slice key;
    struct slice word = {NULL, 0};
    int count = 0;
    (void)jsonp_object(&p);
    while (json_slice_next_key(&p, &key)) {
        if (slice_is(key, "redrivePermission")) {
            (void)json_slice_string(&p, &word);
            continue;
        }
        if (!slice_is(key, "sourceQueueArns"))
            return "it knows redrivePermission and sourceQueueArns only";
        (void)jsonp_array(&p);
        for (struct slice arn; jsonp_next_element(&p) && json_slice_string(&p, &arn); count++) {
            strbuf_append_char(arns, '\n');
            strbuf_append(arns, arn.at, arn.len);
        }
        strbuf_append_char(arns, '\n');
    }
    if (!jsonp_finish(&p))
        return jsonp_problem(&p, &offset);
    const char *why = parse_permission(word, permission);
    if (why != NULL)
        return why;
    if ((*permission == SQS_REDRIVE_BY_QUEUE) != (count > 0) || count > 10)
        return "sourceQueueArns holds 1 to 10 ARNs with byQueue and is absent otherwise";
    return NULL;
}

static enum sqs_error set_redrive_allow(struct sqs_settings *s, struct slice value,
                                        struct sqs_failure *failure)
{
    char *text = xstrndup(value.at, value.len);
    struct strbuf arns = STRBUF_INIT;
    enum sqs_redrive_permission permission = SQS_REDRIVE_ALLOW_ALL;
    const char *why = value.len == 0 ? NULL : parse_redrive_allow(text, value.len, &permission, &arns);
    if (why == NULL) {
        replace_text(&s->redrive_allow_policy, value);
        replace_text(&s->redrive_source_arns, (struct slice){arns.data, arns.len});
        s->redrive_permission = permission;
    }
    strbuf_clean_up(&arns);
    free(text);
    if (why != NULL)
        return sqs_fail(failure, SQS_INVALID_PARAMETER_VALUE,
                        "Value %.*s for parameter RedriveAllowPolicy is invalid. Reason: %s.",
                        (int)(value.len < 200 ? value.len : 200), value.at, why);
    return SQS_OK;
}

static const struct row *find_row(struct slice name)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (slice_is(name, ROWS[i].name))
            return &ROWS[i];
    return NULL;
}

static enum sqs_error set_word(struct sqs_settings *s, const struct row *row, struct slice value,
                               struct sqs_failure *failure)
{
    for (int i = 0; i < 2; i++) {
        if (!slice_is(value, row->words[i]))
            continue;
        *int_field(row, s) = i;
        return SQS_OK;
    }
    return sqs_fail(failure, SQS_INVALID_ATTRIBUTE_VALUE,
                    "Invalid value for the parameter %s. It must be %s or %s.", row->name, row->words[0],
                    row->words[1]);
}

static enum sqs_error set_scalar(struct sqs_settings *s, const struct row *row, struct slice value,
                                 struct sqs_failure *failure)
{
    int64_t number = 0;
    bool is_true = slice_is(value, "true");
    if (row->kind == KIND_BOOL && (is_true || slice_is(value, "false"))) {
        *bool_field(row, s) = is_true;
        return SQS_OK;
    }
    if (row->kind == KIND_INT && parse_int(value, &number) && number >= row->min && number <= row->max) {
        *int_field(row, s) = number;
        return SQS_OK;
    }
    if (row->kind == KIND_BOOL)
        return sqs_fail(failure, SQS_INVALID_ATTRIBUTE_VALUE,
                        "Invalid value for the parameter %s. It must be true or false.", row->name);
    return sqs_fail(failure, SQS_INVALID_ATTRIBUTE_VALUE,
                    "Invalid value for the parameter %s. It must be from %" PRId64 " to %" PRId64 ".",
                    row->name, row->min, row->max);
}

enum sqs_error sqs_settings_set(struct sqs_settings *s, struct slice name, struct slice value,
                                struct sqs_failure *failure)
{
    const struct row *row = find_row(name);
    if (value.at == NULL)
        value = slice_of("");
    if (row == NULL || (row->queues == FIFO_ONLY && !s->is_fifo))
        return sqs_fail(failure, SQS_INVALID_ATTRIBUTE_NAME, "Unknown Attribute %.*s.",
                        (int)(name.len < 100 ? name.len : 100), name.at == NULL ? "" : name.at);
    if (row->offset == FIELD(is_fifo) && row->queues == FIFO_ONLY && !slice_is(value, "true"))
        return sqs_fail(failure, SQS_INVALID_ATTRIBUTE_VALUE,
                        "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not"
                        " supported.");
    switch (row->kind) {
    case KIND_REDRIVE:
        return set_redrive(s, value, failure);
    case KIND_REDRIVE_ALLOW:
        return set_redrive_allow(s, value, failure);
    case KIND_WORD:
        return set_word(s, row, value, failure);
    case KIND_TEXT:
        replace_text(text_field(row, s), value);
        return SQS_OK;
    default:
        return set_scalar(s, row, value, failure);
    }
}

enum sqs_error sqs_settings_check(const struct sqs_settings *s, struct sqs_failure *failure)
{
    if (s->throughput_limit == SQS_LIMIT_PER_GROUP && s->deduplication_scope != SQS_SCOPE_GROUP)
        return sqs_fail(failure, SQS_INVALID_ATTRIBUTE_VALUE,
                        "Invalid value for the parameter FifoThroughputLimit. Reason: perMessageGroupId wants"
                        " DeduplicationScope to be messageGroup.");
    return SQS_OK;
}

const char *sqs_settings_name(size_t index)
{
    return ROWS[index].name;
}

static bool get_redrive(const struct sqs_settings *s, struct strbuf *out)
{
    if (s->dead_letter_arn == NULL)
        return false;
    struct jsonw w = JSONW_INIT(out);
    jsonw_object(&w);
    jsonw_key_str(&w, "deadLetterTargetArn", s->dead_letter_arn);
    jsonw_key_int(&w, "maxReceiveCount", s->max_receive_count);
    jsonw_end_object(&w);
    return true;
}

bool sqs_settings_get(const struct sqs_settings *s, size_t index, struct strbuf *out)
{
    const struct row *row = &ROWS[index];
    struct sqs_settings *fields = (struct sqs_settings *)(uintptr_t)s; /* read only below */
    const char *text = NULL;
    if (row->queues == FIFO_ONLY && !s->is_fifo)
        return false;
    switch (row->kind) {
    case KIND_INT:
        if (*int_field(row, fields) == 0 && row->min > 0)
            return false;
        strbuf_appendf(out, "%" PRId64, *int_field(row, fields));
        return true;
    case KIND_BOOL:
        strbuf_append_str(out, *bool_field(row, fields) ? "true" : "false");
        return true;
    case KIND_WORD:
        text = row->words[*int_field(row, fields)];
        break;
    case KIND_REDRIVE:
        return get_redrive(s, out);
    case KIND_REDRIVE_ALLOW:
        text = s->redrive_allow_policy;
        break;
    case KIND_TEXT:
        text = *text_field(row, fields);
        break;
    }
    if (text == NULL)
        return false;
    strbuf_append_str(out, text);
    return true;
}

bool sqs_settings_allows_source(const struct sqs_settings *s, const char *arn)
{
    if (s->redrive_permission != SQS_REDRIVE_BY_QUEUE)
        return s->redrive_permission == SQS_REDRIVE_ALLOW_ALL;
    struct strbuf wanted = STRBUF_INIT;
    strbuf_appendf(&wanted, "\n%s\n", arn);
    bool allowed = s->redrive_source_arns != NULL && strstr(s->redrive_source_arns, wanted.data) != NULL;
    strbuf_clean_up(&wanted);
    return allowed;
}
