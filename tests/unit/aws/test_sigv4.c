/*
 * The signer, stage by stage. Golden files:
 * sigv4/<case>/{request,scope,canonical-request,string-to-sign,signature, authorization}.txt, the published
 * suite's cases and two requests shaped like ours; the rest are edges of each stage.
 */
#include "aws/sigv4.h"

#include "base/alloc.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char ACCESS_KEY[] = "AKIDEXAMPLE";
static const char SECRET[] = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

static const char *const CASES[] = {"get-vanilla",           "get-vanilla-query-order-key-case",
                                    "get-header-value-trim", "get-vanilla-with-session-token",
                                    "post-vanilla",          "post-x-www-form-urlencoded",
                                    "sqs-receive-message",   "sts-assume-role"};
enum { CASE_COUNT = sizeof CASES / sizeof CASES[0], MAX_HEADERS = 16 };

/* A golden request, cut in place. */
struct golden {
    char *text; /* owned */
    struct sigv4_header headers[MAX_HEADERS];
    struct sigv4_request request;
};

static char *read_golden(const char *name, const char *stage)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/sigv4/%s/%s.txt", TEST_SOURCE_DIR, name, stage);
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "cannot open %s", path);
    char *text = xcalloc(1, 8192);
    size_t len = fread(text, 1, 8191, file);
    ck_assert_uint_gt(len, 0);
    (void)fclose(file);
    return text;
}

static char *cut(char *text, const char *at)
{
    char *found = strstr(text, at);
    ck_assert_ptr_nonnull(found);
    *found = '\0';
    return found + strlen(at);
}

static void golden_load(struct golden *g, const char *name)
{
    *g = (struct golden){.text = read_golden(name, "request")};
    char *rest = cut(g->text, " ");
    g->request.method = g->text;
    g->request.path = rest;
    rest = cut(rest, " HTTP/1.1\n");
    char *query = strchr(g->request.path, '?');
    if (query != NULL)
        *query++ = '\0';
    g->request.query = query;
    g->request.headers = g->headers;
    while (*rest != '\n') {
        struct sigv4_header *header = &g->headers[g->request.header_count++];
        ck_assert_uint_le(g->request.header_count, MAX_HEADERS);
        header->name = rest;
        header->value = cut(rest, ":");
        rest = cut((char *)header->value, "\n");
    }
    g->request.body = rest + 1;
    g->request.body_len = strlen(rest + 1);
}

START_TEST(every_stage_of_a_golden_request_has_its_bytes)
{
    const char *name = CASES[_i];
    struct golden g;
    golden_load(&g, name);
    char *scope_text = read_golden(name, "scope");
    char *region = cut(scope_text, "\n");
    char *service = cut(region, "\n");
    (void)cut(service, "\n");
    struct sigv4_scope scope = {.region = region, .service = service};
    memcpy(scope.stamp, scope_text, sizeof scope.stamp);

    struct strbuf canonical = STRBUF_INIT;
    struct strbuf names = STRBUF_INIT;
    struct strbuf to_sign = STRBUF_INIT;
    struct strbuf authorization = STRBUF_INIT;
    uint8_t key[SIGV4_KEY_BYTES];
    char signature[SIGV4_HEX_BYTES];
    sigv4_canonical_request(&g.request, (struct sigv4_path_rule){true, true}, &canonical, &names);
    sigv4_string_to_sign(&scope, strbuf_str(&canonical), canonical.len, &to_sign);
    sigv4_signing_key(SECRET, &scope, key);
    sigv4_signature(key, strbuf_str(&to_sign), to_sign.len, signature);
    sigv4_authorization(&scope, ACCESS_KEY, strbuf_str(&names), signature, &authorization);

    const char *const stages[] = {"canonical-request", "string-to-sign", "signature", "authorization"};
    const char *const ours[] = {strbuf_str(&canonical), strbuf_str(&to_sign), signature,
                                strbuf_str(&authorization)};
    for (int i = 0; i < 4; i++) {
        char *golden = read_golden(name, stages[i]);
        ck_assert_str_eq(ours[i], golden);
        free(golden);
    }
    strbuf_clean_up(&canonical);
    strbuf_clean_up(&names);
    strbuf_clean_up(&to_sign);
    strbuf_clean_up(&authorization);
    free(scope_text);
    free(g.text);
}
END_TEST

/* One line of the canonical request: 1 path, 2 query. */
static char *canonical_line(const char *path, const char *query, struct sigv4_path_rule rule, int line)
{
    struct sigv4_request request = {.method = "GET", .path = path, .query = query};
    struct strbuf canonical = STRBUF_INIT;
    struct strbuf names = STRBUF_INIT;
    sigv4_canonical_request(&request, rule, &canonical, &names);
    char *text = canonical.data;
    while (line-- > 0)
        text = strchr(text, '\n') + 1;
    char *copy = xstrndup(text, strcspn(text, "\n"));
    strbuf_clean_up(&canonical);
    strbuf_clean_up(&names);
    return copy;
}

static const struct path_case {
    const char *path;
    const char *normal;      /* normalized, encoded once more */
    const char *normal_once; /* normalized, as on the wire */
    const char *raw;         /* neither */
} PATHS[] = {
    {"", "/", "/", "/"},
    {"/", "/", "/", "/"},
    {"//", "/", "/", "//"},
    {"/./", "/", "/", "/./"},
    {"/./example", "/example", "/example", "/./example"},
    {"/example/..", "/", "/", "/example/.."},
    {"/example1/example2/../..", "/", "/", "/example1/example2/../.."},
    {"/../../a", "/a", "/a", "/../../a"},
    {"//example//", "/example/", "/example/", "//example//"},
    {"/a/.", "/a", "/a", "/a/."},
    {"/a/./", "/a/", "/a/", "/a/./"},
    {"/a/b/..", "/a", "/a", "/a/b/.."},
    {"/a/b/../", "/a/", "/a/", "/a/b/../"},
    {"/a...b/..c", "/a...b/..c", "/a...b/..c", "/a...b/..c"},
    {"/example%20space/", "/example%2520space/", "/example%20space/", "/example%20space/"},
    {"/example space/", "/example%20space/", "/example%20space/", "/example%20space/"},
    {"/\xe1\x88\xb4", "/%E1%88%B4", "/%E1%88%B4", "/%E1%88%B4"},
    {"/-._~0123456789Az", "/-._~0123456789Az", "/-._~0123456789Az", "/-._~0123456789Az"},
    {"/a+b=c:d@e", "/a%2Bb%3Dc%3Ad%40e", "/a+b=c:d@e", "/a+b=c:d@e"},
    {"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32/33/../34/./35",
     "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32/34/35",
     "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32/34/35",
     "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32/33/../34/./35"},
};

START_TEST(a_path_is_normalized_and_encoded_by_rule)
{
    const struct path_case *c = &PATHS[_i];
    const struct sigv4_path_rule rules[] = {{true, true}, {true, false}, {false, false}};
    const char *const wanted[] = {c->normal, c->normal_once, c->raw};
    for (int i = 0; i < 3; i++) {
        char *line = canonical_line(c->path, NULL, rules[i], 1);
        ck_assert_str_eq(line, wanted[i]);
        free(line);
    }
}
END_TEST

static const char *const QUERIES[][2] = {
    {"", ""},
    {"a", "a="},
    {"=b", "=b"},
    {"&&a=1&", "a=1"},
    {"b=2&a=1", "a=1&b=2"},
    {"a=2&a=1", "a=1&a=2"},
    {"ab=1&a=2", "a=2&ab=1"},
    {"a-b=1&a=2", "a=2&a-b=1"},
    {"Param=1&param=1", "Param=1&param=1"},
    {"p=x%20y", "p=x%20y"},
    {"p=x y", "p=x%20y"},
    {"p=%7e%2d", "p=~-"},
    {"p=%c3%a9", "p=%C3%A9"},
    {"p=\xc3\xa9", "p=%C3%A9"},
    {"p=1+1", "p=1%2B1"},
    {"p=a=b", "p=a%3Db"},
    {"p=50%", "p=50%25"},
    {"p=%4", "p=%254"},
    {"p=%zz", "p=%25zz"},
};

START_TEST(a_query_is_encoded_and_sorted)
{
    char *line = canonical_line("/", QUERIES[_i][0], (struct sigv4_path_rule){true, true}, 2);
    ck_assert_str_eq(line, QUERIES[_i][1]);
    free(line);
}
END_TEST

START_TEST(headers_are_sorted_joined_trimmed_and_filtered)
{
    const struct sigv4_header headers[] = {{"X-B", " 2 "},
                                           {"x-a", "one  two\tthree"},
                                           {"X-b", "1"},
                                           {"Host", "h"},
                                           {"Connection", "close"},
                                           {"User-Agent", "u"},
                                           {"EXPECT", "100"},
                                           {"Proxy-Authorization", "p"},
                                           {"Authorization", "z"},
                                           {"x-a-c", "folded\n   line"},
                                           {"x-e", "   "},
                                           {"x-b", ""}};
    struct sigv4_request request = {.method = "POST",
                                    .path = "/",
                                    .headers = headers,
                                    .header_count = sizeof headers / sizeof headers[0],
                                    .body = "x",
                                    .body_len = 1};
    struct strbuf canonical = STRBUF_INIT;
    struct strbuf names = STRBUF_INIT;
    strbuf_append_str(&names, "kept:");
    sigv4_canonical_request(&request, (struct sigv4_path_rule){true, true}, &canonical, &names);
    ck_assert_str_eq(strbuf_str(&canonical),
                     "POST\n/\n\nhost:h\nx-a:one two three\nx-a-c:folded line\nx-b:2,1,\nx-e:\n\n"
                     "host;x-a;x-a-c;x-b;x-e\n"
                     "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881");
    ck_assert_str_eq(strbuf_str(&names), "kept:host;x-a;x-a-c;x-b;x-e");
    strbuf_clean_up(&canonical);
    strbuf_clean_up(&names);
}
END_TEST

START_TEST(more_headers_than_fit_the_stack_are_sorted_too)
{
    enum { COUNT = 100 };
    char text[COUNT][16];
    struct sigv4_header headers[COUNT];
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(text[i], sizeof text[i], "x-%03d", (i * 37) % COUNT);
        headers[i] = (struct sigv4_header){text[i], "v"};
    }
    struct sigv4_request request = {.method = "GET", .path = "/", .headers = headers, .header_count = COUNT};
    struct strbuf canonical = STRBUF_INIT;
    struct strbuf names = STRBUF_INIT;
    sigv4_canonical_request(&request, (struct sigv4_path_rule){true, true}, &canonical, &names);
    ck_assert_uint_eq(names.len, COUNT * 6 - 1);
    for (int i = 0; i < COUNT; i++) {
        char want[16];
        (void)snprintf(want, sizeof want, "x-%03d", i);
        ck_assert_int_eq(strncmp(names.data + (size_t)i * 6, want, 5), 0);
    }
    strbuf_clean_up(&canonical);
    strbuf_clean_up(&names);
}
END_TEST

static const struct {
    const char *region;
    const char *service;
    const char *hex;
} KEYS[] = {
    {"us-east-1", "service", "938127b5336810ddb6a5d6af445fcac9e371f9ed418ed386b022aed82901be75"},
    {"us-east-1", "sqs", "9e65b0be0d065ec1c6ad437e0f495e15797093b99ad6de07a06d7ff044ca5c6a"},
    {"eu-west-1", "sts", "d12a4a2cda0ef616ec540ad5452f5b0c0ecddade0e737266a439f64b775c2de6"},
};

START_TEST(the_signing_key_has_its_known_bytes)
{
    struct sigv4_scope scope = {
        .stamp = "20150830T123600Z", .region = KEYS[_i].region, .service = KEYS[_i].service};
    uint8_t key[SIGV4_KEY_BYTES];
    sigv4_signing_key(SECRET, &scope, key);
    char hex[SIGV4_HEX_BYTES];
    for (int i = 0; i < SIGV4_KEY_BYTES; i++)
        (void)snprintf(hex + (size_t)i * 2, 3, "%02x", key[i]);
    ck_assert_str_eq(hex, KEYS[_i].hex);
}
END_TEST

START_TEST(a_stamp_is_utc)
{
    char stamp[SIGV4_STAMP_BYTES];
    sigv4_stamp(1440938160, stamp);
    ck_assert_str_eq(stamp, "20150830T123600Z");
    sigv4_stamp(951782399, stamp); /* last second of 28 February of a leap year */
    ck_assert_str_eq(stamp, "20000228T235959Z");
    sigv4_stamp(0, stamp);
    ck_assert_str_eq(stamp, "19700101T000000Z");
}
END_TEST

START_TEST(the_hash_of_nothing_is_the_published_one)
{
    char hex[SIGV4_HEX_BYTES];
    sigv4_sha256_hex(NULL, 0, hex);
    ck_assert_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("sigv4");
    tcase_add_loop_test(tests, every_stage_of_a_golden_request_has_its_bytes, 0, CASE_COUNT);
    tcase_add_loop_test(tests, a_path_is_normalized_and_encoded_by_rule, 0, sizeof PATHS / sizeof PATHS[0]);
    tcase_add_loop_test(tests, a_query_is_encoded_and_sorted, 0, sizeof QUERIES / sizeof QUERIES[0]);
    tcase_add_test(tests, headers_are_sorted_joined_trimmed_and_filtered);
    tcase_add_test(tests, more_headers_than_fit_the_stack_are_sorted_too);
    tcase_add_loop_test(tests, the_signing_key_has_its_known_bytes, 0, sizeof KEYS / sizeof KEYS[0]);
    tcase_add_test(tests, a_stamp_is_utc);
    tcase_add_test(tests, the_hash_of_nothing_is_the_published_one);
    Suite *suite = suite_create("sigv4");
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
