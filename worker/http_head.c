/* Requests of the http handler; see http_head.h. */
#include "worker/http_head.h"

#include "aws/client.h"
#include "base/alloc.h"
#include "base/clock.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char OWN_ATTRIBUTES[] = "beanstalk.sqsd";
static const char SCHEDULED_BODY[] = "elasticbeanstalk scheduled job";
static const char ATTRIBUTE_PREFIX[] = "X-Aws-Sqsd-Attr-";

static const struct sluice_attribute *find_attribute(const struct sluice_message *message, const char *name)
{
    for (size_t i = 0; i < message->attribute_count; i++)
        if (strcmp(message->attributes[i].name, name) == 0)
            return &message->attributes[i];
    return NULL;
}

static const struct sluice_attribute *scheduled_time(const struct sluice_message *message)
{
    return find_attribute(message, "beanstalk.sqsd.scheduled_time");
}

/* ---- where it goes ---- */

/* A part of the URL as a text of our own; NULL: it has none. */
static char *url_part(CURLU *url, CURLUPart part, unsigned flags)
{
    char *text = NULL;
    char *copy = NULL;
    if (curl_url_get(url, part, &text, flags) == CURLUE_OK)
        copy = xstrdup(text);
    curl_free(text);
    return copy;
}

static bool take_apart(CURLU *parts, const char *url, struct http_target *target)
{
    if (curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK)
        return false;
    char *scheme = url_part(parts, CURLUPART_SCHEME, 0);
    char *fragment = url_part(parts, CURLUPART_FRAGMENT, 0);
    target->https = scheme != NULL && strcmp(scheme, "https") == 0;
    bool ok = scheme != NULL && (target->https || strcmp(scheme, "http") == 0) && fragment == NULL;
    free(scheme);
    free(fragment);
    if (!ok)
        return false;
    target->user = url_part(parts, CURLUPART_USER, CURLU_URLDECODE);
    target->password = url_part(parts, CURLUPART_PASSWORD, CURLU_URLDECODE);
    (void)curl_url_set(parts, CURLUPART_USER, NULL, 0);
    (void)curl_url_set(parts, CURLUPART_PASSWORD, NULL, 0);
    target->url = url_part(parts, CURLUPART_URL, 0);
    (void)curl_url_set(parts, CURLUPART_PATH, "/", 0);
    (void)curl_url_set(parts, CURLUPART_QUERY, NULL, 0);
    target->origin = url_part(parts, CURLUPART_URL, 0);
    if (target->url == NULL || target->origin == NULL)
        return false;
    target->origin[strlen(target->origin) - 1] = '\0';
    return true;
}

int http_target_parse(const char *url, struct http_target *ret_target, struct err *err)
{
    struct http_target target = {.url = NULL};
    char shown[160];
    bool ok = false;
    CURLU *parts = curl_url();
    if (parts == NULL)
        abort();
    /* libcurl would complete "host:80/x" to a URL by guessing. */
    if (strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0)
        ok = take_apart(parts, url, &target);
    curl_url_cleanup(parts);
    if (ok) {
        *ret_target = target;
        return 0;
    }
    http_target_clean_up(&target);
    return err_set(err, "%s: want a URL such as http://127.0.0.1:8080/path",
                   aws_url_without_userinfo(url, shown, sizeof shown));
}

void http_target_clean_up(struct http_target *target)
{
    free(target->url);
    free(target->origin);
    free(target->user);
    free(target->password);
    *target = (struct http_target){.url = NULL};
}

/* Where the sender of a message may direct it: a path, maybe with a query, within the application. */
static bool is_plain_path(const char *path, size_t len)
{
    if (len == 0 || len > HTTP_PATH_MAX || path[0] != '/' || (len > 1 && path[1] == '/'))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (isalnum((unsigned char)path[i]) == 0 &&
            (path[i] == '\0' || strchr("-._~!$&'()*+,;=:@%/?", path[i]) == NULL))
            return false;
        if (path[i] == '/' && i + 1 < len && path[i + 1] == '.')
            return false; /* dot segments mean another path than they say */
    }
    return true;
}

int http_target_route(const struct http_target *target, bool task_paths, const struct sluice_message *message,
                      struct strbuf *url, struct err *err)
{
    const struct sluice_attribute *path = task_paths ? find_attribute(message, "beanstalk.sqsd.path") : NULL;
    strbuf_clear(url);
    if (path == NULL) {
        strbuf_append_str(url, target->url);
        return 0;
    }
    if (!is_plain_path(path->value, path->value_len))
        return err_set(err, "attribute beanstalk.sqsd.path: want an absolute path such as /tasks/backup");
    strbuf_append_str(url, target->origin);
    strbuf_append(url, path->value, path->value_len);
    return 0;
}

size_t http_body_len(const struct sluice_message *message)
{
    bool scheduled = message->body_len == sizeof SCHEDULED_BODY - 1 &&
                     memcmp(message->body, SCHEDULED_BODY, message->body_len) == 0 &&
                     scheduled_time(message) != NULL;
    return scheduled ? 0 : message->body_len;
}

/* ---- the head ---- */

/* RFC 9110 section 5.5: no CR, LF or NUL; other controls are allowed to be refused, so many do. */
bool http_header_value_ok(const char *value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)value[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

/* RFC 9110 section 5.6.2: token. */
static bool is_token(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (isalnum((unsigned char)text[i]) == 0 &&
            (text[i] == '\0' || strchr("!#$%&'*+-.^_`|~", text[i]) == NULL))
            return false;
    return len > 0;
}

/* Adds "prefix" "name": "value". Gives false, and adds nothing, when that cannot be sent. */
static bool add(struct http_head *head, const char *prefix, const char *name, const char *value, size_t len)
{
    if (head->count == HTTP_HEAD_LINES_MAX || len > HTTP_HEAD_VALUE_MAX ||
        !http_header_value_ok(value, len) || !is_token(name, strlen(name)))
        return false;
    head->offsets[head->count++] = head->text.len;
    strbuf_append_str(&head->text, prefix);
    strbuf_append_str(&head->text, name);
    strbuf_append_str(&head->text, len > 0 ? ": " : ";");
    strbuf_append(&head->text, value, len);
    strbuf_append_char(&head->text, '\0');
    return true;
}

static void add_text(struct http_head *head, const char *name, const char *value)
{
    if (value != NULL)
        (void)add(head, "", name, value, strlen(value));
}

/* ISO 8601 in UTC, without a fraction, as Beanstalk's daemon writes it. */
static void add_time(struct http_head *head, const char *name, int64_t epoch_ms)
{
    char text[25];
    if (epoch_ms <= 0)
        return;
    (void)clock_format_iso8601(epoch_ms, text);
    (void)snprintf(text + 19, sizeof text - 19, "Z");
    add_text(head, name, text);
}

/* "2026-11-23 09:20:00 UTC", as the scheduler writes it, becomes ISO 8601; anything else stays. */
static void add_scheduled(struct http_head *head, const struct sluice_attribute *time)
{
    static const char SHAPE[] = "dddd-dd-dd dd:dd:dd UTC";
    char text[sizeof SHAPE];
    bool fits = time->value_len == sizeof SHAPE - 1;
    for (size_t i = 0; fits && i < sizeof SHAPE - 1; i++)
        fits = SHAPE[i] == 'd' ? isdigit((unsigned char)time->value[i]) != 0 : time->value[i] == SHAPE[i];
    if (!fits) {
        (void)add(head, "", "X-Aws-Sqsd-Scheduled-At", time->value, time->value_len);
        return;
    }
    (void)snprintf(text, sizeof text, "%.10sT%.8sZ", time->value, time->value + 11);
    add_text(head, "X-Aws-Sqsd-Scheduled-At", text);
}

/* The three that Beanstalk's scheduler puts into messages of periodic tasks. */
static void add_task(struct http_head *head, const struct sluice_message *message)
{
    const struct sluice_attribute *path = find_attribute(message, "beanstalk.sqsd.path");
    const struct sluice_attribute *name = find_attribute(message, "beanstalk.sqsd.task_name");
    const struct sluice_attribute *time = scheduled_time(message);
    if (path != NULL)
        (void)add(head, "", "X-Aws-Sqsd-Path", path->value, path->value_len);
    if (name != NULL)
        (void)add(head, "", "X-Aws-Sqsd-Taskname", name->value, name->value_len);
    if (time != NULL)
        add_scheduled(head, time);
}

/* Header names know no case, attribute names do. */
static bool is_repeated(const struct sluice_message *message, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcasecmp(message->attributes[i].name, message->attributes[index].name) == 0)
            return true;
    return false;
}

static bool add_attribute(struct http_head *head, const struct sluice_message *message, size_t index,
                          size_t *bytes)
{
    const struct sluice_attribute *attribute = &message->attributes[index];
    size_t size = strlen(attribute->name) + attribute->value_len;
    bool text =
        strncmp(attribute->data_type, "String", 6) == 0 || strncmp(attribute->data_type, "Number", 6) == 0;
    if (!text || *bytes + size > HTTP_HEAD_ATTRIBUTES_MAX || is_repeated(message, index) ||
        /* two lines are kept for what follows */
        head->count + 2 >= HTTP_HEAD_LINES_MAX ||
        !add(head, ATTRIBUTE_PREFIX, attribute->name, attribute->value, attribute->value_len))
        return false;
    *bytes += size;
    return true;
}

static void add_attributes(struct http_head *head, const struct sluice_message *message)
{
    struct strbuf omitted = STRBUF_INIT;
    size_t bytes = 0;
    for (size_t i = 0; i < message->attribute_count; i++) {
        const char *name = message->attributes[i].name;
        if (strncmp(name, OWN_ATTRIBUTES, sizeof OWN_ATTRIBUTES - 1) == 0 ||
            add_attribute(head, message, i, &bytes))
            continue;
        /* What is no header's name can't be told in a list of them either. */
        if (is_token(name, strlen(name)))
            strbuf_appendf(&omitted, "%s%s", omitted.len > 0 ? ", " : "", name);
    }
    if (omitted.len > 0)
        (void)add(head, "", "X-Sluice-Omitted-Attributes", strbuf_str(&omitted), omitted.len);
    strbuf_clean_up(&omitted);
}

static void add_receive_count(struct http_head *head, int64_t count)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRId64, count);
    if (count > 0)
        add_text(head, "X-Aws-Sqsd-Receive-Count", text);
}

struct curl_slist *http_head_build(struct http_head *head, const struct http_head_facts *facts,
                                   const struct sluice_message *message)
{
    strbuf_clear(&head->text);
    head->count = 0;
    add_text(head, "Content-Type", facts->content_type);
    add_text(head, "X-Aws-Sqsd-Msgid", message->id);
    add_text(head, "X-Aws-Sqsd-Queue", facts->queue_name);
    add_time(head, "X-Aws-Sqsd-First-Received-At", message->first_receive_ms);
    add_time(head, "X-Aws-Sqsd-Sent-At", message->sent_ms);
    add_receive_count(head, message->receive_count);
    add_text(head, "X-Aws-Sqsd-Sender-Id", message->sender_id);
    add_task(head, message);
    add_text(head, "X-Sluice-Receipt-Handle", message->receipt_handle);
    add_text(head, "X-Sluice-Group-Id", message->group_id);
    if (message->sns != NULL)
        add_text(head, "X-Sluice-Sns-Topic-Arn", message->sns->topic_arn);
    add_attributes(head, message);
    /* Without this libcurl lets bodies above 1 MiB wait for a "100 Continue". */
    static const char NO_EXPECT[] = "Expect:";
    head->offsets[head->count++] = head->text.len;
    strbuf_append(&head->text, NO_EXPECT, sizeof NO_EXPECT);
    for (size_t i = 0; i < head->count; i++)
        head->lines[i] = (struct curl_slist){.data = head->text.data + head->offsets[i],
                                             .next = i + 1 < head->count ? &head->lines[i + 1] : NULL};
    return head->lines;
}

void http_head_clean_up(struct http_head *head)
{
    strbuf_clean_up(&head->text);
}
