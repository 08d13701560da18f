/* SNS envelopes; see sns.h. */
#include "worker/sns.h"

#include "worker/jsonscan.h"

#include <string.h>

const char *const SNS_MODE_NAMES[SNS_MODE_MAX + 1] = {"auto", "raw", "sns", NULL};

enum member {
    MEMBER_TYPE,
    MEMBER_TOPIC,
    MEMBER_MESSAGE,
    MEMBER_ID,
    MEMBER_SUBJECT,
    MEMBER_TIMESTAMP,
    MEMBER_MAX
};

static const char *const MEMBER_NAMES[MEMBER_MAX] = {"Type",      "TopicArn", "Message",
                                                     "MessageId", "Subject",  "Timestamp"};

static void find_members(const struct jsonscan_slice *root, struct jsonscan_slice members[static MEMBER_MAX])
{
    const char *cursor = NULL;
    struct jsonscan_slice key, value;
    while (jsonscan_next(root, &cursor, &key, &value))
        for (int i = 0; i < MEMBER_MAX; i++)
            if (jsonscan_equals(&key, MEMBER_NAMES[i]))
                members[i] = value;
}

/* What keeps members from being an envelope, or NULL. */
static const char *what_is_missing(const struct jsonscan_slice members[static MEMBER_MAX])
{
    if (!jsonscan_equals(&members[MEMBER_TYPE], "Notification"))
        return "Type is not \"Notification\"";
    if (members[MEMBER_TOPIC].type != JSONSCAN_STRING)
        return "TopicArn is not a string";
    if (members[MEMBER_MESSAGE].type != JSONSCAN_STRING)
        return "Message is not a string";
    return NULL;
}

static void fill_envelope(const struct jsonscan_slice members[static MEMBER_MAX],
                          struct sns_envelope *envelope)
{
    size_t starts[MEMBER_MAX];
    size_t lens[MEMBER_MAX];
    for (int i = 0; i < MEMBER_MAX; i++) {
        starts[i] = envelope->text.len;
        if (members[i].type == JSONSCAN_STRING)
            jsonscan_decode(&members[i], &envelope->text);
        lens[i] = envelope->text.len - starts[i];
        strbuf_append_char(&envelope->text, '\0');
    }
    const char *text = strbuf_str(&envelope->text);
    const char **facts[MEMBER_MAX] = {[MEMBER_TOPIC] = &envelope->sns.topic_arn,
                                      [MEMBER_MESSAGE] = &envelope->body,
                                      [MEMBER_ID] = &envelope->sns.message_id,
                                      [MEMBER_SUBJECT] = &envelope->sns.subject,
                                      [MEMBER_TIMESTAMP] = &envelope->sns.timestamp};
    for (int i = 0; i < MEMBER_MAX; i++)
        if (facts[i] != NULL && members[i].type == JSONSCAN_STRING)
            *facts[i] = text + starts[i];
    envelope->body_len = lens[MEMBER_MESSAGE];
}

enum sns_result sns_unwrap(enum sns_mode mode, const char *body, size_t len,
                           struct sns_envelope *ret_envelope, struct err *err)
{
    if (mode == SNS_RAW)
        return SNS_PLAIN;
    /* Most bodies are no envelope: SNS writes this key as it is, so a search spares them the parser. */
    if (mode == SNS_AUTO && memmem(body, len, "\"TopicArn\"", 10) == NULL)
        return SNS_PLAIN;
    struct jsonscan_slice root = {.type = JSONSCAN_NONE};
    struct jsonscan_slice members[MEMBER_MAX] = {{.type = JSONSCAN_NONE}};
    const char *missing = "not a JSON object";
    if (jsonscan_validate(body, len, &root, err) == 0 && root.type == JSONSCAN_OBJECT) {
        find_members(&root, members);
        missing = what_is_missing(members);
    }
    if (missing == NULL) {
        fill_envelope(members, ret_envelope);
        return SNS_UNWRAPPED;
    }
    if (mode == SNS_AUTO)
        return SNS_PLAIN;
    (void)err_set(err, "not an SNS envelope: %s", missing);
    return SNS_REFUSED;
}

void sns_envelope_clean_up(struct sns_envelope *envelope)
{
    strbuf_clean_up(&envelope->text);
    *envelope = (struct sns_envelope){.body = NULL};
}
