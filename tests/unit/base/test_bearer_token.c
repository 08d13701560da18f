/* Shared secrets: what is taken, and that errors do not repeat them. */
#include "tests/unit/unit.h"

#include "base/bearer_token.h"

#include <stdio.h>
#include <unistd.h>

static const char SECRET[] = "0123456789abcdef~secret";

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

START_TEST(the_longest_token_is_taken_and_a_longer_one_is_not)
{
    char text[BEARER_TOKEN_MAX + 1];
    struct bearer_token token = {.len = 0};
    struct err err;
    memset(text, 'x', sizeof text);
    ck_assert_int_eq(bearer_token_set("T", text, BEARER_TOKEN_MAX, &token, &err), 0);
    ck_assert_uint_eq(strlen(token.text), BEARER_TOKEN_MAX);
    ck_assert_int_eq(bearer_token_set("T", text, sizeof text, &token, &err), -1);
}
END_TEST

UNIT_MAIN("bearer_token", what_is_no_token_is_refused_and_not_repeated, a_file_may_end_with_a_line_break,
          the_longest_token_is_taken_and_a_longer_one_is_not)
