/* Parsing of HTTP requests: heads, what is refused, chunked bodies in any pieces. */
#include "tests/unit/unit.h"

#include "localaws/http_request.h"

#include <stdio.h>

static int parse(struct http_request *request, char *buffer, size_t size, const char *text)
{
    ck_assert_uint_lt(strlen(text), size);
    memcpy(buffer, text, strlen(text) + 1);
    return http_request_parse_head(request, buffer, strlen(text));
}

START_TEST(a_head_is_taken_apart)
{
    char buffer[512];
    struct http_request r;
    int status = parse(&r, buffer, sizeof buffer,
                       "POST /123/q?a=b HTTP/1.1\r\nHost: localhost:1\r\nX-Amz-Target:  AmazonSQS.X \t\r\n"
                       "content-length: 12\r\nEmpty:\r\nExpect: 100-Continue\r\n\r\n");
    ck_assert_int_eq(status, 0);
    ck_assert_str_eq(r.method.at, "POST");
    ck_assert_str_eq(r.path.at, "/123/q");
    ck_assert_str_eq(r.query.at, "a=b");
    ck_assert_uint_eq(r.header_count, 5);
    ck_assert_str_eq(http_request_header(&r, "x-amz-target").at, "AmazonSQS.X");
    ck_assert_str_eq(http_request_header(&r, "EMPTY").at, "");
    ck_assert_ptr_null(http_request_header(&r, "absent").at);
    ck_assert_uint_eq(r.content_length, 12);
    ck_assert(r.keep_alive && r.expects_continue && !r.is_chunked);
}
END_TEST

START_TEST(connections_are_kept_as_version_and_header_say)
{
    char buffer[256];
    struct http_request r;
    ck_assert_int_eq(parse(&r, buffer, sizeof buffer, "GET / HTTP/1.0\r\n\r\n"), 0);
    ck_assert(!r.keep_alive);
    ck_assert_int_eq(parse(&r, buffer, sizeof buffer, "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), 0);
    ck_assert(r.keep_alive);
    ck_assert_int_eq(parse(&r, buffer, sizeof buffer, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n"), 0);
    ck_assert(!r.keep_alive);
    ck_assert_int_eq(parse(&r, buffer, sizeof buffer, "GET http://h:1/p?q HTTP/1.1\r\n\r\n"), 0);
    ck_assert_str_eq(r.path.at, "/p");
    ck_assert_str_eq(r.query.at, "q");
}
END_TEST

START_TEST(what_is_no_request_is_refused_with_its_status)
{
    static const struct {
        int status;
        const char *text;
    } CASES[] = {
        {400, "GARBAGE\r\n\r\n"},
        {400, "GET /\r\n\r\n"},
        {400, "GET  / HTTP/1.1\r\n\r\n"},
        {400, "G<T / HTTP/1.1\r\n\r\n"},
        {400, "GET nopath HTTP/1.1\r\n\r\n"},
        {505, "GET / HTTP/1.x\r\n\r\n"},
        {505, "GET / HTTP/2.0\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nNoColon\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n: empty name\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nName : blank before colon\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nA: b\x01\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nContent-Length:\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {413, "GET / HTTP/1.1\r\nContent-Length: 8388609\r\n\r\n"},
        {413, "GET / HTTP/1.1\r\nContent-Length: 99999999999999999999999999\r\n\r\n"},
        {501, "GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"},
        {417, "GET / HTTP/1.1\r\nExpect: tea\r\n\r\n"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char buffer[256];
        struct http_request r;
        ck_assert_msg(parse(&r, buffer, sizeof buffer, CASES[i].text) == CASES[i].status, "%s",
                      CASES[i].text);
    }
}
END_TEST

START_TEST(too_many_headers_are_refused)
{
    static char text[8192] = "GET / HTTP/1.1\r\n";
    static char buffer[8192];
    struct http_request r;
    for (int i = 0; i <= HTTP_HEADERS_MAX; i++)
        strcat(text, "A: b\r\n");
    strcat(text, "\r\n");
    ck_assert_int_eq(parse(&r, buffer, sizeof buffer, text), 431);
}
END_TEST

START_TEST(the_end_of_a_head_is_found_in_any_pieces)
{
    static const char TEXT[] = "GET / HTTP/1.1\r\nA: b\r\n\r\nrest";
    size_t scanned = 0;
    size_t found = 0;
    for (size_t len = 0; len <= sizeof TEXT - 1 && found == 0; len++) {
        found = http_request_head_len(TEXT, len, &scanned);
        ck_assert_uint_eq(scanned, len);
    }
    ck_assert_uint_eq(found, sizeof TEXT - 1 - 4);
}
END_TEST

START_TEST(a_request_that_moves_keeps_its_texts)
{
    char buffer[256];
    char moved[256];
    struct http_request r;
    ck_assert_int_eq(parse(&r, buffer, sizeof buffer, "GET /p?q=1 HTTP/1.1\r\nHost: h\r\n\r\n"), 0);
    memcpy(moved, buffer, sizeof moved);
    memset(buffer, 'x', sizeof buffer);
    http_request_rebase(&r, buffer, moved);
    ck_assert_str_eq(r.method.at, "GET");
    ck_assert_str_eq(r.path.at, "/p");
    ck_assert_str_eq(r.query.at, "q=1");
    ck_assert_str_eq(http_request_header(&r, "host").at, "h");
}
END_TEST

START_TEST(chunks_are_joined_however_they_arrive)
{
    static const char TEXT[] =
        "4\r\nWiki\r\n6;ext=1\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\nTrailer: x\r\n\r\nNEXT";
    static const char WANTED[] = "Wikipedia in \r\n\r\nchunks.";
    size_t whole = sizeof TEXT - 1;
    for (size_t piece = 1; piece <= whole; piece++) {
        char body[sizeof TEXT];
        struct http_chunks chunks = {.in = 0};
        enum http_chunks_result result = HTTP_CHUNKS_MORE;
        memset(body, 0, sizeof body);
        for (size_t have = 0; result == HTTP_CHUNKS_MORE && have < whole;) {
            size_t some = whole - have < piece ? whole - have : piece;
            memcpy(body + have, TEXT + have,
                   some); /* behind what was decoded, as the server's buffer has it */
            have += some;
            result = http_chunks_feed(&chunks, body, have);
        }
        ck_assert_int_eq(result, HTTP_CHUNKS_DONE);
        ck_assert_uint_eq(chunks.out, sizeof WANTED - 1);
        ck_assert_int_eq(memcmp(body, WANTED, chunks.out), 0);
        ck_assert_uint_eq(chunks.in, whole - 4);
    }
}
END_TEST

START_TEST(bad_chunks_are_refused)
{
    static const char *const BAD[] = {"x\r\n", "\r\n", "-1\r\n", "1\r\nabc", ";\r\n"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        char body[32];
        struct http_chunks chunks = {.in = 0};
        memcpy(body, BAD[i], strlen(BAD[i]));
        ck_assert_msg(http_chunks_feed(&chunks, body, strlen(BAD[i])) == HTTP_CHUNKS_BAD, "%s", BAD[i]);
    }
    char huge[] = "FFFFFFFFFFFFFFFFF\r\n";
    struct http_chunks chunks = {.in = 0};
    ck_assert_int_eq(http_chunks_feed(&chunks, huge, strlen(huge)), HTTP_CHUNKS_TOO_LONG);
}
END_TEST

UNIT_MAIN("localaws_http_request", a_head_is_taken_apart, connections_are_kept_as_version_and_header_say,
          what_is_no_request_is_refused_with_its_status, too_many_headers_are_refused,
          the_end_of_a_head_is_found_in_any_pieces, a_request_that_moves_keeps_its_texts,
          chunks_are_joined_however_they_arrive, bad_chunks_are_refused)
