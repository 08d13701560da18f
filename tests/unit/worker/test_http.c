/* The http handler's pure parts: where a message goes, the head of its request, what a reply means. Tables.
 */
#include "tests/unit/unit.h"

#include "worker/http_answer.h"
#include "worker/http_head.h"

#include <stdio.h>

static struct err err;

static struct sluice_attribute attribute(const char *name, const char *type, const char *value)
{
    return (struct sluice_attribute){
        .name = name, .data_type = type, .value = value, .value_len = strlen(value)};
}

/* ---- targets ---- */

START_TEST(urls_by_table)
{
    static const struct {
        const char *url, *clean, *origin, *user, *password;
    } ROWS[] = {
        {"http://127.0.0.1:8080/path", "http://127.0.0.1:8080/path", "http://127.0.0.1:8080", NULL, NULL},
        {"http://h", "http://h/", "http://h", NULL, NULL},
        {"HTTPS://joe:a%40b@h/p?q=1", "https://h/p?q=1", "https://h", "joe", "a@b"},
        {"http://[::1]:80/", "http://[::1]:80/", "http://[::1]:80", NULL, NULL},
        {"h:80/x", NULL, NULL, NULL, NULL},
        {"ftp://h/x", NULL, NULL, NULL, NULL},
        {"http://", NULL, NULL, NULL, NULL},
        {"http://h/x#y", NULL, NULL, NULL, NULL},
        {"http://h:99999/", NULL, NULL, NULL, NULL},
        {"", NULL, NULL, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct http_target target;
        int rc = http_target_parse(ROWS[i].url, &target, &err);
        ck_assert_msg(rc == (ROWS[i].clean != NULL ? 0 : -1), "row %zu", i);
        if (rc != 0)
            continue;
        ck_assert_str_eq(target.url, ROWS[i].clean);
        ck_assert_str_eq(target.origin, ROWS[i].origin);
        ck_assert_pstr_eq(target.user, ROWS[i].user);
        ck_assert_pstr_eq(target.password, ROWS[i].password);
        ck_assert(target.https == (ROWS[i].url[0] == 'H'));
        http_target_clean_up(&target);
    }
    ck_assert_int_eq(http_target_parse("http://joe:s3cret@h/#x", &(struct http_target){0}, &err), -1);
    ck_assert_msg(strstr(err.text, "s3cret") == NULL, "%s", err.text);
}
END_TEST

START_TEST(a_sender_directs_only_to_plain_paths)
{
    static const struct {
        const char *path, *want;
    } ROWS[] = {
        {"/", "http://h:1/"},
        {"/tasks/backup?full=1&x=%20", "http://h:1/tasks/backup?full=1&x=%20"},
        {"", NULL},
        {"tasks", NULL},
        {"//evil.example/x", NULL},
        {"/a b", NULL},
        {"/a\r\nX: y", NULL},
        {"/../admin", NULL},
        {"/a/./b", NULL},
        {"/a#b", NULL},
        {"/\xc3\xa4", NULL},
        {"http://evil.example/", NULL},
    };
    struct http_target target;
    struct strbuf url = STRBUF_INIT;
    ck_assert_int_eq(http_target_parse("http://h:1/default", &target, &err), 0);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct sluice_attribute path = attribute("beanstalk.sqsd.path", "String", ROWS[i].path);
        struct sluice_message message = {.body = "", .attributes = &path, .attribute_count = 1};
        int rc = http_target_route(&target, true, &message, &url, &err);
        ck_assert_msg(rc == (ROWS[i].want != NULL ? 0 : -1), "row %zu", i);
        if (rc == 0)
            ck_assert_str_eq(strbuf_str(&url), ROWS[i].want);
        ck_assert_int_eq(http_target_route(&target, false, &message, &url, &err), 0);
        ck_assert_str_eq(strbuf_str(&url), "http://h:1/default");
    }
    strbuf_clean_up(&url);
    http_target_clean_up(&target);
}
END_TEST

START_TEST(only_the_schedulers_sentence_is_left_out)
{
    struct sluice_attribute time = attribute("beanstalk.sqsd.scheduled_time", "String", "x");
    struct sluice_message message = {.body = "elasticbeanstalk scheduled job", .body_len = 30};
    ck_assert_uint_eq(http_body_len(&message), 30);
    message.attributes = &time;
    message.attribute_count = 1;
    ck_assert_uint_eq(http_body_len(&message), 0);
    message.body = "elasticbeanstalk scheduled joy";
    ck_assert_uint_eq(http_body_len(&message), 30);
}
END_TEST

/* ---- heads ---- */

static struct http_head head;
static const struct http_head_facts FACTS = {.content_type = "text/plain", .queue_name = "orders"};

/* The value of a header in the built head, "" for one without a value, NULL for none. */
static const char *header(const struct curl_slist *lines, const char *name)
{
    size_t len = strlen(name);
    for (; lines != NULL; lines = lines->next)
        if (strncmp(lines->data, name, len) == 0 && lines->data[len] == ':' && lines->data[len + 1] == ' ')
            return lines->data + len + 2;
        else if (strncmp(lines->data, name, len) == 0 && strcmp(lines->data + len, ";") == 0)
            return "";
    return NULL;
}

START_TEST(the_head_of_a_message)
{
    struct sluice_message message = {.id = "m-1",
                                     .body = "",
                                     .receive_count = 3,
                                     .sent_ms = 1700000000999,
                                     .first_receive_ms = 1700000001001,
                                     .sender_id = "AIDA",
                                     .receipt_handle = "r==",
                                     .group_id = "g"};
    const struct curl_slist *lines = http_head_build(&head, &FACTS, &message);
    ck_assert_pstr_eq(header(lines, "Content-Type"), "text/plain");
    ck_assert_pstr_eq(header(lines, "X-Aws-Sqsd-Msgid"), "m-1");
    ck_assert_pstr_eq(header(lines, "X-Aws-Sqsd-Queue"), "orders");
    ck_assert_pstr_eq(header(lines, "X-Aws-Sqsd-First-Received-At"), "2023-11-14T22:13:21Z");
    ck_assert_pstr_eq(header(lines, "X-Aws-Sqsd-Sent-At"), "2023-11-14T22:13:20Z");
    ck_assert_pstr_eq(header(lines, "X-Aws-Sqsd-Receive-Count"), "3");
    ck_assert_pstr_eq(header(lines, "X-Aws-Sqsd-Sender-Id"), "AIDA");
    ck_assert_pstr_eq(header(lines, "X-Sluice-Receipt-Handle"), "r==");
    ck_assert_pstr_eq(header(lines, "X-Sluice-Group-Id"), "g");
    message = (struct sluice_message){.id = "m-2", .body = ""};
    lines = http_head_build(&head, &FACTS, &message);
    ck_assert_ptr_null(header(lines, "X-Aws-Sqsd-First-Received-At"));
    ck_assert_ptr_null(header(lines, "X-Aws-Sqsd-Receive-Count"));
    ck_assert_ptr_null(header(lines, "X-Aws-Sqsd-Sender-Id"));
    http_head_clean_up(&head);
}
END_TEST

START_TEST(attributes_by_table)
{
    char long_value[HTTP_HEAD_VALUE_MAX + 2];
    memset(long_value, 'x', sizeof long_value - 1);
    long_value[sizeof long_value - 1] = '\0';
    struct sluice_attribute list[] = {
        attribute("a", "String", "1"),
        attribute("n", "Number.int", "7"),
        attribute("empty", "String", ""),
        attribute("tab", "String", "x\ty \xc3\xa4"),
        attribute("bin", "Binary", "x"),
        attribute("cr", "String", "x\rX-Evil: 1"),
        attribute("lf", "String", "x\nX-Evil: 1"),
        {.name = "nul", .data_type = "String", .value = "x\0y", .value_len = 3},
        attribute("del", "String", "x\x7f"),
        attribute("A", "String", "2"),
        attribute("bad:name", "String", "x"),
        attribute("bad\nname", "String", "x"),
        attribute("long", "String", long_value),
        attribute("beanstalk.sqsd.path", "String", "/p"),
    };
    struct sluice_message message = {
        .id = "m", .body = "", .attributes = list, .attribute_count = sizeof list / sizeof *list};
    const struct curl_slist *lines = http_head_build(&head, &FACTS, &message);
    ck_assert_pstr_eq(header(lines, "X-Aws-Sqsd-Attr-a"), "1");
    ck_assert_pstr_eq(header(lines, "X-Aws-Sqsd-Attr-n"), "7");
    ck_assert_pstr_eq(header(lines, "X-Aws-Sqsd-Attr-empty"), "");
    ck_assert_pstr_eq(header(lines, "X-Aws-Sqsd-Attr-tab"), "x\ty \xc3\xa4");
    ck_assert_pstr_eq(header(lines, "X-Aws-Sqsd-Path"), "/p");
    ck_assert_pstr_eq(header(lines, "X-Sluice-Omitted-Attributes"), "bin, cr, lf, nul, del, A, long");
    int attributes = 0;
    for (; lines != NULL; lines = lines->next) {
        ck_assert_ptr_null(strpbrk(lines->data, "\r\n"));
        attributes += strncmp(lines->data, "X-Aws-Sqsd-Attr-", 16) == 0;
    }
    ck_assert_int_eq(attributes, 4);
    http_head_clean_up(&head);
}
END_TEST

START_TEST(many_and_large_attributes_stay_within_what_servers_take)
{
    char value[3001];
    char names[100][8];
    struct sluice_attribute list[100];
    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    for (int i = 0; i < 100; i++) {
        (void)snprintf(names[i], sizeof names[i], "a%d", i);
        list[i] = attribute(names[i], "String", i < 10 ? value : "1");
    }
    struct sluice_message message = {.id = "m", .body = "", .attributes = list, .attribute_count = 100};
    size_t bytes = 0;
    const struct curl_slist *lines = http_head_build(&head, &FACTS, &message);
    ck_assert_ptr_nonnull(header(lines, "X-Aws-Sqsd-Attr-a2"));
    ck_assert_ptr_null(header(lines, "X-Aws-Sqsd-Attr-a3"));
    ck_assert_ptr_nonnull(header(lines, "X-Aws-Sqsd-Attr-a10"));
    ck_assert_ptr_nonnull(strstr(header(lines, "X-Sluice-Omitted-Attributes"), "a3, a4"));
    ck_assert_uint_le(head.count, HTTP_HEAD_LINES_MAX);
    for (; lines != NULL; lines = lines->next)
        bytes += strlen(lines->data) + 2;
    ck_assert_uint_le(bytes, 16384);
    http_head_clean_up(&head);
}
END_TEST

START_TEST(times_of_tasks_by_table)
{
    static const char *const ROWS[][2] = {
        {"2026-11-23 09:20:00 UTC", "2026-11-23T09:20:00Z"},
        {"2026-11-23T09:20:00Z", "2026-11-23T09:20:00Z"},
        {"2026-11-23 09:20:00 CET", "2026-11-23 09:20:00 CET"},
        {"soon", "soon"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct sluice_attribute list[] = {attribute("beanstalk.sqsd.scheduled_time", "String", ROWS[i][0]),
                                          attribute("beanstalk.sqsd.task_name", "String", "backup")};
        struct sluice_message message = {.id = "m", .body = "", .attributes = list, .attribute_count = 2};
        const struct curl_slist *lines = http_head_build(&head, &FACTS, &message);
        ck_assert_pstr_eq(header(lines, "X-Aws-Sqsd-Scheduled-At"), ROWS[i][1]);
        ck_assert_pstr_eq(header(lines, "X-Aws-Sqsd-Taskname"), "backup");
    }
    http_head_clean_up(&head);
}
END_TEST

/* ---- replies ---- */

static struct http_answer answer;

static void take(const char *const *lines, const char *body)
{
    http_answer_clear(&answer);
    for (; *lines != NULL; lines++)
        http_answer_take_line(&answer, *lines, strlen(*lines));
    ck_assert(http_answer_take_body(&answer, body, strlen(body)));
}

#define LINES(...) ((const char *const[]){__VA_ARGS__, NULL})

START_TEST(retry_after_by_table)
{
    static const int64_t WALL_MS = 1700000000000; /* Tue, 14 Nov 2023 22:13:20 GMT */
    static const struct {
        const char *lines[4];
        int64_t want_s;
    } ROWS[] = {
        {{"HTTP/1.1 429 x\r\n", "Retry-After: 120\r\n"}, 120},
        {{"HTTP/1.1 429 x", "retry-after:7"}, 7},
        {{"HTTP/1.1 429 x", "Retry-After: 0"}, 1},
        {{"HTTP/1.1 429 x", "Retry-After: 999999999999999999999999"}, 43200},
        {{"HTTP/1.1 429 x", "Retry-After: 43201"}, 43200},
        {{"HTTP/1.1 429 x", "Retry-After: -1"}, -1},
        {{"HTTP/1.1 429 x", "Retry-After: 1.5"}, -1},
        {{"HTTP/1.1 429 x", "Retry-After: "}, -1},
        {{"HTTP/1.1 429 x", "Retry-After: soon"}, -1},
        {{"HTTP/1.1 429 x", "X-Retry-After: 5"}, -1},
        {{"HTTP/1.1 100 Continue", "Retry-After: 5", "HTTP/1.1 429 x"}, -1},
        {{"HTTP/1.1 429 x", "Retry-After: Tue, 14 Nov 2023 22:13:50 GMT"}, 30},
        {{"HTTP/1.1 429 x", "Retry-After: Tue, 14 Nov 2023 22:13:10 GMT"}, 1},
        /* the reply's own clock counts, wherever its Date stands */
        {{"HTTP/1.1 429 x", "Retry-After: Tue, 14 Nov 2023 22:13:50 GMT",
          "Date: Tue, 14 Nov 2023 22:13:40 GMT"},
         10},
        {{"HTTP/1.1 429 x", "Date: Tue, 14 Nov 2023 22:13:40 GMT",
          "Retry-After: Tue, 14 Nov 2023 22:13:45 GMT"},
         5},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        take(ROWS[i].lines, "");
        ck_assert_msg(http_answer_retry_after_s(&answer, WALL_MS) == ROWS[i].want_s, "row %zu", i);
    }
}
END_TEST

START_TEST(verdicts_by_table)
{
    static const struct {
        int status;
        const char *retry_after;
        enum sluice_verdict want;
        int64_t want_delay_s;
    } ROWS[] = {
        {200, "x", SLUICE_DONE, 0},   {201, "x", SLUICE_DONE, 0},   {204, "x", SLUICE_DONE, 0},
        {299, "x", SLUICE_DONE, 0},   {199, "x", SLUICE_FAILED, 2}, {300, "x", SLUICE_FAILED, 2},
        {302, "x", SLUICE_FAILED, 2}, {400, "x", SLUICE_FAILED, 2}, {404, "9", SLUICE_FAILED, 2},
        {422, "9", SLUICE_REJECT, 2}, {500, "9", SLUICE_FAILED, 2}, {503, "x", SLUICE_FAILED, 2},
        {503, "9", SLUICE_RETRY, 9},  {429, "9", SLUICE_RETRY, 9},  {429, "x", SLUICE_RETRY, 2},
        {599, "x", SLUICE_FAILED, 2}, {999, "x", SLUICE_FAILED, 2},
    };
    struct http_policy policy = {.error_visibility_s = 2};
    struct http_judgement judgement;
    char line[64];
    policy.rejects[422] = true;
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        (void)snprintf(line, sizeof line, "Retry-After: %s", ROWS[i].retry_after);
        take(LINES("HTTP/1.1 200 x", line), "text");
        http_judge(&policy, ROWS[i].status, &answer, 0, &judgement);
        ck_assert_msg(judgement.verdict == ROWS[i].want, "row %zu: %d", i, judgement.verdict);
        if (judgement.verdict != SLUICE_DONE)
            ck_assert_msg(judgement.delay_s == ROWS[i].want_delay_s, "row %zu", i);
    }
    policy.error_visibility_s = -1;
    http_judge(&policy, 500, &answer, 0, &judgement);
    ck_assert_int_eq(judgement.delay_s, -1);
}
END_TEST

START_TEST(reasons_are_one_line_of_text)
{
    static const struct {
        int status;
        const char *body, *want;
    } ROWS[] = {
        {500, "boom\n", "status 500: boom"},
        {500, "", "status 500"},
        {302, "", "status 302 (redirects are not followed)"},
        {500, "a\r\nb\x1b[31m\xff\xc3\xa4", "status 500: a  b [31m?\xc3\xa4"},
    };
    struct http_policy policy = {.error_visibility_s = -1};
    struct http_judgement judgement;
    char body[400];
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        take(LINES("HTTP/1.1 200 x"), ROWS[i].body);
        http_judge(&policy, ROWS[i].status, &answer, 0, &judgement);
        ck_assert_str_eq(judgement.reason, ROWS[i].want);
    }
    /* cut between characters, whatever the length before */
    for (size_t lead = 0; lead < 4; lead++) {
        memset(body, 'x', lead);
        for (size_t i = lead; i + 3 < sizeof body; i += 3)
            memcpy(body + i, "\xe2\x82\xac", 4);
        take(LINES("HTTP/1.1 200 x"), body);
        http_judge(&policy, 500, &answer, 0, &judgement);
        ck_assert_uint_le(strlen(judgement.reason), HTTP_ANSWER_TEXT_MAX);
        ck_assert_uint_gt(strlen(judgement.reason), HTTP_ANSWER_TEXT_MAX - 4);
        ck_assert_ptr_null(strchr(judgement.reason, '?'));
    }
}
END_TEST

START_TEST(a_body_is_read_up_to_its_bound)
{
    static const char PIECE[16384];
    http_answer_clear(&answer);
    for (int i = 0; i < 4; i++)
        ck_assert(http_answer_take_body(&answer, PIECE, sizeof PIECE));
    ck_assert(!http_answer_take_body(&answer, PIECE, 1));
}
END_TEST

START_TEST(lists_of_statuses_by_table)
{
    static const char *const GOOD[] = {"400", "400,422", "599,400"};
    static const char *const BAD[] = {"",    ",",   "400,",    "40",       "4000",
                                      "200", "600", "400;422", "400, 422", "4xx"};
    struct http_policy policy;
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) {
        ck_assert_int_eq(http_policy_parse_rejects(GOOD[i], &policy, &err), 0);
        ck_assert(policy.rejects[400] && !policy.rejects[401]);
    }
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        ck_assert_msg(http_policy_parse_rejects(BAD[i], &policy, &err) == -1, "\"%s\"", BAD[i]);
}
END_TEST

UNIT_MAIN("http", urls_by_table, a_sender_directs_only_to_plain_paths,
          only_the_schedulers_sentence_is_left_out, the_head_of_a_message, attributes_by_table,
          many_and_large_attributes_stay_within_what_servers_take, times_of_tasks_by_table,
          retry_after_by_table, verdicts_by_table, reasons_are_one_line_of_text,
          a_body_is_read_up_to_its_bound, lists_of_statuses_by_table)
