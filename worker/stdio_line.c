/* Lines to and from co-processes; see stdio_line.h. */
#include "worker/stdio_line.h"

#include "aws/sqs.h"
#include "base/base64.h"
#include "base/jsonp.h"
#include "base/jsonw.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ---- to ---- */

static void write_value(struct jsonw *w, const struct sluice_attribute *attribute)
{
    if (strncmp(attribute->data_type, "Binary", 6) != 0) {
        jsonw_strn(w, attribute->value, attribute->value_len);
        return;
    }
    struct strbuf text = STRBUF_INIT;
    base64_encode(attribute->value, attribute->value_len, &text);
    jsonw_strn(w, strbuf_str(&text), text.len);
    strbuf_clean_up(&text);
}

static void write_attributes(struct jsonw *w, const struct sluice_message *message)
{
    jsonw_key(w, "attributes");
    jsonw_object(w);
    for (size_t i = 0; i < message->attribute_count; i++) {
        const struct sluice_attribute *attribute = &message->attributes[i];
        jsonw_key_any(w, attribute->name);
        jsonw_object(w);
        jsonw_key_str(w, "type", attribute->data_type);
        jsonw_key(w, "value");
        write_value(w, attribute);
        jsonw_end_object(w);
    }
    jsonw_end_object(w);
}

static void write_sns(struct jsonw *w, const struct sluice_sns *sns)
{
    jsonw_key(w, "sns");
    if (sns == NULL) {
        jsonw_null(w);
        return;
    }
    jsonw_object(w);
    jsonw_key_str(w, "topic_arn", sns->topic_arn);
    jsonw_key_str(w, "message_id", sns->message_id);
    jsonw_key_str(w, "subject", sns->subject);
    jsonw_key_str(w, "timestamp", sns->timestamp);
    jsonw_end_object(w);
}

void stdio_line_write_message(struct strbuf *out, const struct sluice_message *message)
{
    struct jsonw w = JSONW_INIT(out);
    jsonw_object(&w);
    jsonw_key_str(&w, "id", message->id);
    jsonw_key(&w, "body");
    jsonw_strn(&w, message->body, message->body_len);
    jsonw_key_int(&w, "receive_count", message->receive_count);
    jsonw_key_int(&w, "sent_ms", message->sent_ms);
    jsonw_key_str(&w, "receipt_handle", message->receipt_handle);
    jsonw_key_str(&w, "group_id", message->group_id);
    jsonw_key_str(&w, "deduplication_id", message->deduplication_id);
    jsonw_key_str(&w, "sequence_number", message->sequence_number);
    write_attributes(&w, message);
    write_sns(&w, message->sns);
    jsonw_end_object(&w);
    strbuf_append_char(out, '\n');
}

void stdio_line_write_cancel(struct strbuf *out, const char *id)
{
    struct jsonw w = JSONW_INIT(out);
    jsonw_object(&w);
    jsonw_key_str(&w, "cancel", id);
    jsonw_end_object(&w);
    strbuf_append_char(out, '\n');
}

/* ---- from ---- */

static bool take_verdict(struct jsonp *p, enum sluice_verdict *ret_verdict)
{
    static const struct {
        const char *word;
        enum sluice_verdict verdict;
    } WORDS[] = {
        {"done", SLUICE_DONE}, {"failed", SLUICE_FAILED}, {"retry", SLUICE_RETRY}, {"reject", SLUICE_REJECT}};
    const char *text = NULL;
    size_t len = 0;
    if (!jsonp_string(p, &text, &len))
        return false;
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++) {
        if (strcmp(WORDS[i].word, text) != 0)
            continue;
        *ret_verdict = WORDS[i].verdict;
        return true;
    }
    return jsonp_refuse(p, "\"result\" is none of done, failed, retry, reject");
}

/* A text without NUL, or null for none. */
static bool take_text(struct jsonp *p, const char **ret_text)
{
    size_t len = 0;
    *ret_text = NULL;
    if (jsonp_peek(p) == JSONP_NULL)
        return jsonp_null(p);
    return jsonp_string(p, ret_text, &len) &&
           (strlen(*ret_text) == len || jsonp_refuse(p, "a text with a NUL"));
}

static bool take_number(struct jsonp *p, int64_t *ret_value)
{
    if (jsonp_peek(p) == JSONP_NULL)
        return jsonp_null(p);
    return jsonp_int(p, ret_value);
}

struct parsed {
    struct stdio_result *result;
    bool has_ok, ok, has_result;
};

static void take_member(struct jsonp *p, const char *key, struct parsed *parsed)
{
    struct stdio_result *result = parsed->result;
    if (strcmp(key, "id") == 0)
        (void)take_text(p, &result->id);
    else if (strcmp(key, "ok") == 0)
        parsed->has_ok = jsonp_bool(p, &parsed->ok);
    else if (strcmp(key, "result") == 0)
        parsed->has_result = take_verdict(p, &result->verdict);
    else if (strcmp(key, "reason") == 0)
        (void)take_text(p, &result->reason);
    else if (strcmp(key, "status") == 0)
        (void)take_number(p, &result->status);
    else if (strcmp(key, "delay_s") == 0) {
        int64_t delay_s = -1;
        bool is_null = jsonp_peek(p) == JSONP_NULL;
        if (take_number(p, &delay_s) && !is_null && (delay_s < 0 || delay_s > SQS_VISIBILITY_MAX_S))
            (void)jsonp_refuse(p, "\"delay_s\" is not from 0 to 43200");
        result->delay_s = delay_s;
    } else
        (void)jsonp_skip(p);
}

int stdio_line_parse(char *line, size_t len, struct stdio_result *ret_result, struct err *err)
{
    struct jsonp p = jsonp_start(line, len);
    struct parsed parsed = {.result = ret_result};
    const char *key = NULL;
    size_t offset = 0;
    *ret_result = (struct stdio_result){.delay_s = -1, .status = INT64_MIN};
    if (jsonp_object(&p))
        while (jsonp_next_key(&p, &key))
            take_member(&p, key, &parsed);
    if (!jsonp_finish(&p)) {
        const char *problem = jsonp_problem(&p, &offset);
        return err_set(err, "%s at byte %zu", problem, offset);
    }
    if (ret_result->id == NULL)
        return err_set(err, "no \"id\"");
    if (!parsed.has_result && !parsed.has_ok)
        return err_set(err, "neither \"ok\" nor \"result\"");
    if (!parsed.has_result)
        ret_result->verdict = parsed.ok ? SLUICE_DONE : SLUICE_FAILED;
    return 0;
}
