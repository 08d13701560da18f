/* SNS envelopes; see sns.h. */
#include "worker/sns.h"

#include "base/jsonp.h"

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

/* A member that is a string. */
struct text_member {
    const char *text; /* NULL: missing, or not a string */
    size_t len;
};

/* Takes the members out of the text, which is changed in place. Of those that stand there twice the last one
 * counts. False when the text is not a JSON object. */
static bool find_members(char *text, size_t len, struct text_member members[static MEMBER_MAX])
{
    const char *key = NULL;
    struct jsonp p = jsonp_start(text, len);
    p.mends = true; /* a payload that any publisher has written */
    (void)jsonp_object(&p);
    while (jsonp_next_key(&p, &key)) {
        struct text_member found = {.text = NULL};
        if (jsonp_peek(&p) == JSONP_STRING)
            (void)jsonp_string(&p, &found.text, &found.len);
        else
            (void)jsonp_skip(&p);
        for (int i = 0; i < MEMBER_MAX; i++)
            if (strcmp(key, MEMBER_NAMES[i]) == 0)
                members[i] = found;
    }
    return jsonp_finish(&p);
}

/* What keeps members from being an envelope, or NULL. */
static const char *what_is_missing(const struct text_member members[static MEMBER_MAX])
{
    static const char WANTED[] = "Notification";
    const struct text_member *type = &members[MEMBER_TYPE];
    if (type->text == NULL || type->len != sizeof WANTED - 1 || memcmp(type->text, WANTED, type->len) != 0)
        return "Type is not \"Notification\"";
    if (members[MEMBER_TOPIC].text == NULL)
        return "TopicArn is not a string";
    if (members[MEMBER_MESSAGE].text == NULL)
        return "Message is not a string";
    return NULL;
}

enum sns_result sns_unwrap(enum sns_mode mode, const char *body, size_t len,
                           struct sns_envelope *ret_envelope, struct err *err)
{
    if (mode == SNS_RAW)
        return SNS_PLAIN;
    /* Most bodies are no envelope: SNS writes this key as it is, so a search spares them the parser. */
    if (mode == SNS_AUTO && memmem(body, len, "\"TopicArn\"", 10) == NULL)
        return SNS_PLAIN;
    struct text_member members[MEMBER_MAX] = {{.text = NULL}};
    struct strbuf text = STRBUF_INIT; /* the members point into it */
    strbuf_append(&text, body, len);
    const char *missing = "not a JSON object";
    if (find_members(text.data, len, members))
        missing = what_is_missing(members);
    if (missing == NULL) {
        *ret_envelope = (struct sns_envelope){.text = text,
                                              .sns.topic_arn = members[MEMBER_TOPIC].text,
                                              .sns.message_id = members[MEMBER_ID].text,
                                              .sns.subject = members[MEMBER_SUBJECT].text,
                                              .sns.timestamp = members[MEMBER_TIMESTAMP].text,
                                              .body = members[MEMBER_MESSAGE].text,
                                              .body_len = members[MEMBER_MESSAGE].len};
        return SNS_UNWRAPPED;
    }
    strbuf_clean_up(&text);
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
