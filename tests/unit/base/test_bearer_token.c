/* Shared secrets: what is taken, what matches, and that errors do not repeat them. */
#include "tests/unit/unit.h"

#include "base/bearer_token.h"

#include <stdio.h>
#include <unistd.h>

static const char SECRET[] = "0123456789abcdef~secret";

static struct bearer_token token_of(const char *text)
{
    struct bearer_token token = {.len = 0};
    struct err err;
    ck_assert_int_eq(bearer_token_set("T", text, strlen(text), &token, &err), 0);
    return token;
}

START_TEST(only_the_whole_token_matches)
{
    struct bearer_token token = token_of(SECRET);
    ck_assert(bearer_token_matches(&token, "Bearer 0123456789abcdef~secret"));
    ck_assert(bearer_token_matches(&token, "bearer 0123456789abcdef~secret"));
    static const char *const WRONG[] = {"Bearer 0123456789abcdef~secre",
                                        "Bearer 0123456789abcdef~secretx",
                                        "Bearer ",
                                        "",
                                        "0123456789abcdef~secret",
                                        "Basic 0123456789abcdef~secret",
                                        "Bearer 1123456789abcdef~secret"};
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++)
        ck_assert_msg(!bearer_token_matches(&token, WRONG[i]), "%s", WRONG[i]);
    ck_assert(!bearer_token_matches(&token, NULL));
}
END_TEST

START_TEST(no_token_matches_nothing)
{
    struct bearer_token none = {.len = 0};
    ck_assert(!bearer_token_matches(&none, "Bearer "));
    ck_assert(!bearer_token_matches(&none, NULL));
}
END_TEST

START_TEST(the_longest_token_matches_and_a_longer_header_does_not)
{
    char text[BEARER_TOKEN_MAX + 16];
    char header[BEARER_TOKEN_MAX + 32];
    memset(text, 'x', sizeof text);
    text[BEARER_TOKEN_MAX] = '\0';
    struct bearer_token token = token_of(text);
    (void)snprintf(header, sizeof header, "Bearer %s", text);
    ck_assert(bearer_token_matches(&token, header));
    (void)snprintf(header, sizeof header, "Bearer %sx", text);
    ck_assert(!bearer_token_matches(&token, header));
}
END_TEST

START_TEST(what_is_no_token_is_refused_and_not_repeated)
{
    static const char *const WRONG[] = {"short", "0123456789 abcdefgh", "0123456789\nabcdefgh", "",
                                        "0123456789\xc3\xa4xxxxxxxx"};
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        struct bearer_token token = {.len = 0};
        struct err err = {.text = ""};
        ck_assert_int_eq(bearer_token_set("NAME", WRONG[i], strlen(WRONG[i]), &token, &err), -1);
        ck_assert_int_eq(strncmp(err.text, "NAME: ", 6), 0);
        ck_assert(WRONG[i][0] == '\0' || strstr(err.text, WRONG[i]) == NULL);
        ck_assert_uint_eq(token.len, 0);
    }
}
END_TEST

START_TEST(a_file_may_end_with_a_line_break)
{
    char path[] = "/tmp/sluice-token-XXXXXX";
    int fd = mkstemp(path);
    struct bearer_token token = {.len = 0};
    struct err err;
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(dprintf(fd, "%s\r\n", SECRET), (int)strlen(SECRET) + 2);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_int_eq(bearer_token_read("F", path, &token, &err), 0);
    ck_assert_str_eq(token.text, SECRET);
    bearer_token_wipe(&token);
    ck_assert_str_eq(token.text, "");
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(bearer_token_read("F", path, &token, &err), -1);
    ck_assert_int_eq(strncmp(err.text, "F: ", 3), 0);
}
END_TEST

UNIT_MAIN("bearer_token", only_the_whole_token_matches, no_token_matches_nothing,
          the_longest_token_matches_and_a_longer_header_does_not,
          what_is_no_token_is_refused_and_not_repeated, a_file_may_end_with_a_line_break)
