/* Headers of HTTP replies; see http_reply.h. */
#include "aws/http_reply.h"

#include "base/clock.h"

#include <string.h>
#include <strings.h>
#include <time.h>

static int two_digits(const char *text)
{
    return text[0] >= '0' && text[0] <= '9' && text[1] >= '0' && text[1] <= '9'
               ? (text[0] - '0') * 10 + text[1] - '0'
               : -1;
}

int64_t http_date_parse(const char *text, size_t len)
{
    static const char MONTHS[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    if (len != 29 || memcmp(text + 25, " GMT", 4) != 0 || text[3] != ',' || text[19] != ':' ||
        text[22] != ':')
        return -1;
    char month[4] = {text[8], text[9], text[10], '\0'};
    const char *found = strstr(MONTHS, month);
    int parts[] = {two_digits(text + 5),  two_digits(text + 12), two_digits(text + 14),
                   two_digits(text + 17), two_digits(text + 20), two_digits(text + 23)};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (parts[i] < 0)
            return -1;
    if (found == NULL || (found - MONTHS) % 3 != 0)
        return -1;
    struct tm tm = {.tm_mday = parts[0],
                    .tm_mon = (int)(found - MONTHS) / 3,
                    .tm_year = parts[1] * 100 + parts[2] - 1900,
                    .tm_hour = parts[3],
                    .tm_min = parts[4],
                    .tm_sec = parts[5]};
    return (int64_t)timegm(&tm) * 1000;
}

static void take_date(struct http_reply *reply, struct http_date_cache *dates, const char *value, size_t len)
{
    if (len == 0 || len >= sizeof dates->text) {
        reply->date_ms = -1;
        return;
    }
    if (memcmp(dates->text, value, len) != 0 || dates->text[len] != '\0') {
        memcpy(dates->text, value, len);
        dates->text[len] = '\0';
        dates->epoch_ms = http_date_parse(value, len);
    }
    reply->date_ms = dates->epoch_ms;
}

/* A whole number of at most 9 digits, -1 when it is none. */
static int64_t parse_count(const char *text, size_t len)
{
    int64_t value = 0;
    if (len == 0 || len > 9)
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

/* Retry-After: seconds, or a date; the latter needs our clock, which may be wrong, so the Date of the same
 * reply is taken when it came before. */
static void take_retry_after(struct http_reply *reply, const char *value, size_t len)
{
    if (reply->retry_after_ms >= 0)
        return; /* x-amz-retry-after is finer */
    int64_t seconds = parse_count(value, len);
    int64_t until_ms = http_date_parse(value, len);
    if (seconds >= 0)
        reply->retry_after_ms = seconds * 1000;
    else if (until_ms >= 0) {
        int64_t now_ms = reply->date_ms >= 0 ? reply->date_ms : clock_wall_ms();
        reply->retry_after_ms = until_ms > now_ms ? until_ms - now_ms : 0;
    }
}

static void copy_text(char *out, size_t size, const char *value, size_t len)
{
    if (len >= size)
        len = size - 1;
    memcpy(out, value, len);
    out[len] = '\0';
}

static bool is_name(const char *line, const char *name, size_t len)
{
    return strncasecmp(line, name, len) == 0;
}

static void take_content_length(struct http_reply *reply, const char *value, size_t len)
{
    int64_t bytes = parse_count(value, len);
    if (bytes > HTTP_REPLY_BYTES_MAX)
        reply->too_large = true;
    else if (bytes > 0)
        (void)strbuf_reserve(&reply->body, (size_t)bytes);
}

/* Looks at the length of the name first: most headers are none of ours. */
static void take_header(struct http_reply *reply, struct http_date_cache *dates, const char *line,
                        size_t name_len, const char *value, size_t len)
{
    switch (name_len) {
    case 3:
        if (is_name(line, "age", 3))
            reply->has_age = true;
        break;
    case 4:
        if (is_name(line, "date", 4))
            take_date(reply, dates, value, len);
        break;
    case 11:
        if (is_name(line, "retry-after", 11))
            take_retry_after(reply, value, len);
        break;
    case 14:
        if (is_name(line, "content-length", 14))
            take_content_length(reply, value, len);
        break;
    case 16:
        if (is_name(line, "x-amzn-requestid", 16) || is_name(line, "x-amz-request-id", 16))
            copy_text(reply->request_id, sizeof reply->request_id, value, len);
        break;
    case 17:
        if (is_name(line, "x-amz-retry-after", 17))
            reply->retry_after_ms = parse_count(value, len);
        break;
    case 18:
        if (is_name(line, "x-amzn-query-error", 18))
            copy_text(reply->query_error, sizeof reply->query_error, value, len);
        break;
    default:
        break;
    }
}

void http_reply_clear(struct http_reply *reply)
{
    struct strbuf body = reply->body;
    strbuf_clear(&body);
    *reply = (struct http_reply){.detail = "", .date_ms = -1, .retry_after_ms = -1, .body = body};
}

void http_reply_take_line(struct http_reply *reply, struct http_date_cache *dates, const char *line,
                          size_t len)
{
    if (len > 5 && memcmp(line, "HTTP/", 5) == 0) {
        http_reply_clear(reply);
        return;
    }
    const char *colon = memchr(line, ':', len);
    if (colon == NULL)
        return;
    const char *value = colon + 1;
    const char *end = line + len;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (unsigned char)end[-1] <= ' ')
        end--;
    take_header(reply, dates, line, (size_t)(colon - line), value, (size_t)(end - value));
}
