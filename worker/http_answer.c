/* Replies of the http handler; see http_answer.h. */
#include "worker/http_answer.h"

#include "aws/http.h"
#include "aws/sqs.h"
#include "base/utf8.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

void http_answer_clear(struct http_answer *answer)
{
    answer->body_bytes = 0;
    answer->text_len = 0;
    answer->retry_after[0] = '\0';
    answer->date_ms = -1;
}

static size_t trim(const char **text, size_t len)
{
    while (len > 0 && isspace((unsigned char)**text)) {
        (*text)++;
        len--;
    }
    while (len > 0 && isspace((unsigned char)(*text)[len - 1]))
        len--;
    return len;
}

void http_answer_take_line(struct http_answer *answer, const char *line, size_t len)
{
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        http_answer_clear(answer);
        return;
    }
    const char *colon = memchr(line, ':', len);
    if (colon == NULL)
        return;
    size_t name_len = (size_t)(colon - line);
    const char *value = colon + 1;
    size_t value_len = trim(&value, len - name_len - 1);
    if (name_len == 4 && strncasecmp(line, "Date", 4) == 0)
        answer->date_ms = http_date_parse(value, value_len);
    else if (name_len == 11 && strncasecmp(line, "Retry-After", 11) == 0 &&
             value_len < sizeof answer->retry_after) {
        memcpy(answer->retry_after, value, value_len);
        answer->retry_after[value_len] = '\0';
    }
}

bool http_answer_take_body(struct http_answer *answer, const char *bytes, size_t len)
{
    size_t room = sizeof answer->text - answer->text_len;
    size_t taken = len < room ? len : room;
    memcpy(answer->text + answer->text_len, bytes, taken);
    answer->text_len += taken;
    answer->body_bytes += (int64_t)len;
    return answer->body_bytes <= HTTP_ANSWER_BYTES_MAX;
}

/* ---- Retry-After ---- */

static int64_t bounded_s(int64_t seconds)
{
    return seconds < 1 ? 1 : seconds > SQS_VISIBILITY_MAX_S ? SQS_VISIBILITY_MAX_S : seconds;
}

/* A whole number, however long; -1 when it is none. */
static int64_t parse_seconds(const char *text)
{
    int64_t value = 0;
    if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0')
        return -1;
    for (; *text != '\0' && value <= SQS_VISIBILITY_MAX_S; text++)
        value = value * 10 + (*text - '0');
    return value;
}

int64_t http_answer_retry_after_s(const struct http_answer *answer, int64_t wall_ms)
{
    int64_t seconds = parse_seconds(answer->retry_after);
    if (seconds >= 0)
        return bounded_s(seconds);
    int64_t until_ms = http_date_parse(answer->retry_after, strlen(answer->retry_after));
    if (until_ms < 0)
        return -1;
    int64_t now_ms = answer->date_ms >= 0 ? answer->date_ms : wall_ms;
    return bounded_s((until_ms - now_ms + 999) / 1000);
}

/* ---- verdicts ---- */

int http_policy_parse_rejects(const char *list, struct http_policy *policy, struct err *err)
{
    const char *p = list;
    memset(policy->rejects, 0, sizeof policy->rejects);
    for (;;) {
        size_t digits = strspn(p, "0123456789");
        int status = digits == 3 ? (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0') : 0;
        if (status < 400 || status > HTTP_STATUS_MAX || (p[3] != '\0' && p[3] != ','))
            return err_set(err, "%.64s: want statuses from 400 to 599, such as 400,422", list);
        policy->rejects[status] = true;
        if (p[3] == '\0')
            return 0;
        p += 4;
    }
}

/* The beginning of the body as one line of UTF-8: what is neither is shown as a space or a question mark. */
static void append_text(char *out, size_t size, const struct http_answer *answer)
{
    size_t used = strlen(out);
    const char *from = answer->text;
    size_t left = trim(&from, answer->text_len);
    while (left > 0) {
        size_t len = utf8_len(from, left);
        bool control = (unsigned char)*from < 0x20 || *from == 0x7f;
        char shown = control ? ' ' : '?';
        size_t wanted = len > 0 ? len : 1;
        if (used + wanted >= size)
            break;
        memcpy(out + used, len > 0 && !control ? from : &shown, len > 0 && !control ? len : 1);
        used += wanted;
        from += wanted;
        left -= wanted;
    }
    out[used] = '\0';
}

static void set_reason(struct http_judgement *judgement, int status, const struct http_answer *answer)
{
    const char *what = status >= 300 && status < 400 ? " (redirects are not followed)" : "";
    (void)snprintf(judgement->reason, sizeof judgement->reason, "status %d%s%s", status, what,
                   answer->text_len > 0 ? ": " : "");
    append_text(judgement->reason, sizeof judgement->reason, answer);
}

void http_judge(const struct http_policy *policy, int status, const struct http_answer *answer,
                int64_t wall_ms, struct http_judgement *ret_judgement)
{
    int64_t retry_after_s = http_answer_retry_after_s(answer, wall_ms);
    *ret_judgement = (struct http_judgement){.verdict = SLUICE_FAILED, .delay_s = policy->error_visibility_s};
    if (status >= 200 && status < 300) {
        ret_judgement->verdict = SLUICE_DONE;
        return;
    }
    set_reason(ret_judgement, status, answer);
    if (status >= 0 && status <= HTTP_STATUS_MAX && policy->rejects[status]) {
        ret_judgement->verdict = SLUICE_REJECT;
    } else if (status == 429 || (status == 503 && retry_after_s >= 0)) {
        ret_judgement->verdict = SLUICE_RETRY;
        if (retry_after_s >= 0)
            ret_judgement->delay_s = retry_after_s;
    }
}
