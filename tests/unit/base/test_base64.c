/* Base64: the RFC's vectors both ways, and what is none. */
#include "base/base64.h"

#include "tests/unit/unit.h"

static const struct {
    const char *plain, *coded;
} ROWS[] = {{"", ""},
            {"f", "Zg=="},
            {"fo", "Zm8="},
            {"foo", "Zm9v"},
            {"foob", "Zm9vYg=="},
            {"fooba", "Zm9vYmE="},
            {"foobar", "Zm9vYmFy"},
            {"\xff\xfe\xfd\xfb\xef\xbf", "//79+++/"}};

START_TEST(base64_goes_both_ways)
{
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        struct strbuf out = STRBUF_INIT;
        size_t len = strlen(ROWS[i].plain);
        char back[8];
        strbuf_append_str(&out, "<");
        base64_encode(ROWS[i].plain, len, &out);
        ck_assert_str_eq(strbuf_str(&out) + 1, ROWS[i].coded);
        ck_assert_uint_eq(out.len, 1 + BASE64_CHARS(len));
        ck_assert_int_eq(base64_decode(ROWS[i].coded, strlen(ROWS[i].coded), back), (long)len);
        ck_assert_int_eq(memcmp(back, ROWS[i].plain, len), 0);
        strbuf_clean_up(&out);
    }
}
END_TEST

START_TEST(a_text_may_be_decoded_where_it_stands)
{
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        size_t len = strlen(ROWS[i].coded);
        char *text = malloc(len + 1); /* of the exact size, so that the sanitizer sees an overrun */
        ck_assert_ptr_nonnull(text);
        memcpy(text, ROWS[i].coded, len + 1);
        ck_assert_int_eq(base64_decode(text, len, text), (long)strlen(ROWS[i].plain));
        ck_assert_int_eq(memcmp(text, ROWS[i].plain, strlen(ROWS[i].plain)), 0);
        free(text);
    }
}
END_TEST

START_TEST(what_is_not_base64_is_refused)
{
    static const char *const BAD[] = {"Z",     "Zg",   "Zg=",  "=Zg=",     "Z===",  "====",  "Zm9v=",
                                      "Zg===", "Zm 9", "Zm9-", "Zg==Zg==", "Zm9v!", "Zm9\n", "Zm9_"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        char back[16];
        ck_assert_msg(base64_decode(BAD[i], strlen(BAD[i]), back) == -1, "%s", BAD[i]);
    }
}
END_TEST

UNIT_MAIN("base64", base64_goes_both_ways, a_text_may_be_decoded_where_it_stands,
          what_is_not_base64_is_refused)
