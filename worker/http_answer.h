/*
 * What the http handler makes of a reply: its status, Retry-After and the beginning of its body become a
 * verdict. Pure.
 */
#ifndef SLUICE_WORKER_HTTP_ANSWER_H
#define SLUICE_WORKER_HTTP_ANSWER_H

#include "base/err.h"
#include "worker/include/sluice/handler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_ANSWER_BYTES_MAX = 65536, /* of a body that is read; the status counts, whatever follows */
    HTTP_ANSWER_TEXT_MAX = 200,    /* of them shown as the reason, as the handler interface cuts it */
    HTTP_STATUS_MAX = 599,
};

struct http_answer {
    int64_t body_bytes;
    char text[HTTP_ANSWER_TEXT_MAX]; /* the beginning of the body, raw */
    size_t text_len;
    char retry_after[64]; /* header's value, "": none or too long for one */
    int64_t date_ms;      /* Date, epoch; -1: none */
};

void http_answer_clear(struct http_answer *answer);
/* Takes a status or header line, with or without its line end. A status line clears what an interim (1xx)
 * reply brought. */
void http_answer_take_line(struct http_answer *answer, const char *line, size_t len);
/* Takes a piece of the body; false when HTTP_ANSWER_BYTES_MAX is passed and no more is wanted. */
bool http_answer_take_body(struct http_answer *answer, const char *bytes, size_t len);

/* Seconds of Retry-After (RFC 9110 section 10.2.3: a number, or a date, which is compared with the reply's
 * own Date where there is one, else with wall_ms), at least 1, at most SQS's 43,200; -1 when absent or
 * malformed. */
int64_t http_answer_retry_after_s(const struct http_answer *answer, int64_t wall_ms);

struct http_policy {
    int64_t error_visibility_s; /* -1: the worker's table */
    bool rejects[HTTP_STATUS_MAX + 1];
};

/* "400,422" into policy->rejects. Returns 0, or -1 with err. */
int http_policy_parse_rejects(const char *list, struct http_policy *policy, struct err *err);

struct http_judgement {
    enum sluice_verdict verdict;
    int64_t delay_s; /* -1: the worker's table */
    char reason[HTTP_ANSWER_TEXT_MAX + 1];
};

/* The verdict of a complete reply. 2xx: done. A status in policy->rejects: rejected. 429, and 503 with a
 * Retry-After: later, nothing wrong with the message. All else: failed. */
void http_judge(const struct http_policy *policy, int status, const struct http_answer *answer,
                int64_t wall_ms, struct http_judgement *ret_judgement);

#endif
