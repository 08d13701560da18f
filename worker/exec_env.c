/* The environment of a handler program; see exec_env.h. */
#include "worker/exec_env.h"

#include "base/alloc.h"
#include "base/base64.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Left out of what is inherited: a message's names, which a program must not see when its message has none,
 * and descriptors that the program does not get. */
static const char *const NOT_INHERITED[] = {
    "SQS_MESSAGE_ID=",
    "SQS_RECEIPT_HANDLE=",
    "SQS_RECEIVE_COUNT=",
    "SQS_SENT_TIMESTAMP=",
    "SQS_QUEUE_URL=",
    "SQS_MESSAGE_GROUP_ID=",
    "SQS_MESSAGE_DEDUPLICATION_ID=",
    "SQS_SEQUENCE_NUMBER=",
    "SQS_ATTRIBUTE_",
    "SQS_SNS_",
    "SLUICE_TELEMETRY_FD=",
    "SLUICE_TELEMETRY_TOKEN=",
};

static bool is_inherited(const char *entry)
{
    for (size_t i = 0; i < sizeof NOT_INHERITED / sizeof NOT_INHERITED[0]; i++)
        if (strncmp(entry, NOT_INHERITED[i], strlen(NOT_INHERITED[i])) == 0)
            return false;
    return true;
}

void exec_env_base_init(struct exec_env_base *base, char *const *inherited, const char *queue_url)
{
    size_t count = 0;
    while (inherited[count] != NULL)
        count++;
    *base =
        (struct exec_env_base){.entries = xcalloc(count + 1, sizeof *base->entries), .queue_url = queue_url};
    for (size_t i = 0; i < count; i++)
        if (is_inherited(inherited[i]))
            base->entries[base->count++] = inherited[i];
}

void exec_env_base_clean_up(struct exec_env_base *base)
{
    free(base->entries);
    *base = (struct exec_env_base){.entries = NULL};
}

/* ---- one message ---- */

static void begin_entry(struct exec_env *env)
{
    if (env->count == env->room) {
        env->room = env->room > 0 ? env->room * 2 : 16;
        env->starts = xrealloc(env->starts, env->room * sizeof *env->starts);
    }
    env->starts[env->count++] = env->text.len;
}

/* Checks what was written since begin_entry(). */
static int end_entry(struct exec_env *env, struct err *err)
{
    size_t start = env->starts[env->count - 1];
    size_t len = env->text.len - start;
    const char *entry = env->text.data + start;
    int name_len = (int)strcspn(entry, "=");
    strbuf_append_char(&env->text, '\0');
    entry = env->text.data + start;
    if (strlen(entry) != len)
        return err_set(err, "%.*s holds a NUL byte: an environment cannot", name_len, entry);
    if (len + 1 > EXEC_ENV_ENTRY_MAX)
        return err_set(err, "%.*s is too long for an environment: %zu bytes, at most %d", name_len, entry,
                       len, EXEC_ENV_ENTRY_MAX - 1);
    if (env->text.len > EXEC_ENV_MESSAGE_MAX)
        return err_set(err,
                       "the message's variables are too long for an environment: at most %d bytes together",
                       EXEC_ENV_MESSAGE_MAX);
    return 0;
}

static int put(struct exec_env *env, const char *name, const char *value, struct err *err)
{
    if (value == NULL)
        return 0;
    begin_entry(env);
    strbuf_append_str(&env->text, name);
    strbuf_append_char(&env->text, '=');
    strbuf_append_str(&env->text, value);
    return end_entry(env, err);
}

static int put_int(struct exec_env *env, const char *name, int64_t value, struct err *err)
{
    if (value == 0)
        return 0; /* unknown */
    begin_entry(env);
    strbuf_appendf(&env->text, "%s=%" PRId64, name, value);
    return end_entry(env, err);
}

static char sanitised(char c)
{
    if (c >= 'a' && c <= 'z')
        return (char)(c - 'a' + 'A');
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
}

/* Whether an entry before the last begins with the same "NAME=". */
static bool is_second(const struct exec_env *env, size_t name_len)
{
    const char *entry = env->text.data + env->starts[env->count - 1];
    for (size_t i = 0; i + 1 < env->count; i++)
        if (strncmp(env->text.data + env->starts[i], entry, name_len) == 0)
            return true;
    return false;
}

static bool is_binary(const struct sluice_attribute *attribute)
{
    return strncmp(attribute->data_type, "Binary", 6) == 0;
}

static int put_attribute(struct exec_env *env, const struct sluice_attribute *attribute, struct err *err)
{
    begin_entry(env);
    size_t start = env->text.len;
    strbuf_append_str(&env->text, "SQS_ATTRIBUTE_");
    for (const char *c = attribute->name; *c != '\0'; c++)
        strbuf_append_char(&env->text, sanitised(*c));
    strbuf_append_char(&env->text, '=');
    if (is_second(env, env->text.len - start)) {
        env->text.len = start;
        env->count--;
        return 0;
    }
    if (is_binary(attribute))
        base64_encode(attribute->value, attribute->value_len, &env->text);
    else
        strbuf_append(&env->text, attribute->value, attribute->value_len);
    return end_entry(env, err);
}

static int put_message(struct exec_env *env, const struct exec_env_base *base,
                       const struct sluice_message *message, struct err *err)
{
    if (put(env, "SQS_MESSAGE_ID", message->id, err) != 0 ||
        put(env, "SQS_RECEIPT_HANDLE", message->receipt_handle, err) != 0 ||
        put(env, "SQS_QUEUE_URL", base->queue_url, err) != 0 ||
        put(env, "SQS_MESSAGE_GROUP_ID", message->group_id, err) != 0 ||
        put(env, "SQS_MESSAGE_DEDUPLICATION_ID", message->deduplication_id, err) != 0 ||
        put(env, "SQS_SEQUENCE_NUMBER", message->sequence_number, err) != 0 ||
        put_int(env, "SQS_RECEIVE_COUNT", message->receive_count, err) != 0 ||
        put_int(env, "SQS_SENT_TIMESTAMP", message->sent_ms, err) != 0)
        return -1;
    for (size_t i = 0; i < message->attribute_count; i++)
        if (put_attribute(env, &message->attributes[i], err) != 0)
            return -1;
    const struct sluice_sns *sns = message->sns;
    if (sns == NULL)
        return 0;
    return put(env, "SQS_SNS_TOPIC_ARN", sns->topic_arn, err) != 0 ||
                   put(env, "SQS_SNS_MESSAGE_ID", sns->message_id, err) != 0 ||
                   put(env, "SQS_SNS_SUBJECT", sns->subject, err) != 0 ||
                   put(env, "SQS_SNS_TIMESTAMP", sns->timestamp, err) != 0
               ? -1
               : 0;
}

int exec_env_build(struct exec_env *env, const struct exec_env_base *base,
                   const struct sluice_message *message, struct err *err)
{
    if (put_message(env, base, message, err) != 0)
        return -1;
    env->envp = xcalloc(base->count + env->count + 1, sizeof *env->envp);
    memcpy(env->envp, base->entries, base->count * sizeof *env->envp);
    for (size_t i = 0; i < env->count; i++)
        env->envp[base->count + i] = env->text.data + env->starts[i];
    return 0;
}

void exec_env_clean_up(struct exec_env *env)
{
    strbuf_clean_up(&env->text);
    free(env->starts);
    free(env->envp);
    *env = (struct exec_env){.text = STRBUF_INIT};
}
