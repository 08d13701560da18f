/* UTF-8: what is well-formed, what is plain, and what code points become. */
#include "base/utf8.h"

#include "tests/unit/unit.h"

START_TEST(utf8_is_told_from_other_bytes)
{
    ck_assert(utf8_valid("", 0));
    ck_assert(utf8_valid("plain text of more than eight bytes\n\t\"\\", 39));
    ck_assert(utf8_valid("\xc3\xa9\xf0\x9f\x98\x80", 6));
    ck_assert(utf8_valid("a\0b", 3));
    ck_assert(!utf8_valid("\xe9", 1));
    ck_assert(!utf8_valid("abc\xc3", 4));
    ck_assert(!utf8_valid("\xed\xa0\x80", 3));
}
END_TEST

START_TEST(sequences_have_their_length_or_none)
{
    static const struct {
        const char *bytes;
        size_t left, want;
    } ROWS[] = {{"a", 1, 1},
                {"\0", 1, 1},
                {"\x7f", 1, 1},
                {"\x80", 1, 0},
                {"\xc1\xbf", 2, 0},
                {"\xc2\x80", 2, 2},
                {"\xc2\x80", 1, 0},
                {"\xdf\xbf", 2, 2},
                {"\xdf\x7f", 2, 0},
                {"\xe0\x9f\xbf", 3, 0},
                {"\xe0\xa0\x80", 3, 3},
                {"\xe0\xa0\x80", 2, 0},
                {"\xed\x9f\xbf", 3, 3},
                {"\xed\xa0\x80", 3, 0},
                {"\xef\xbf\xbf", 3, 3},
                {"\xf0\x8f\xbf\xbf", 4, 0},
                {"\xf0\x90\x80\x80", 4, 4},
                {"\xf0\x90\x80\x80", 3, 0},
                {"\xf4\x8f\xbf\xbf", 4, 4},
                {"\xf4\x90\x80\x80", 4, 0},
                {"\xf5\x80\x80\x80", 4, 0},
                {"\xff", 1, 0}};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++)
        ck_assert_msg(utf8_len(ROWS[i].bytes, ROWS[i].left) == ROWS[i].want, "row %zu", i);
}
END_TEST

START_TEST(every_code_point_becomes_well_formed_bytes)
{
    char bytes[4];
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        size_t len = (size_t)(utf8_put(bytes, code) - bytes);
        size_t want = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
        bool is_surrogate = code >= 0xD800 && code <= 0xDFFF;
        if (len != want || utf8_len(bytes, len) != (is_surrogate ? 0 : want))
            ck_abort_msg("U+%04X", code);
    }
    ck_assert_uint_eq((size_t)(utf8_put(bytes, 0x20AC) - bytes), 3);
    ck_assert_mem_eq(bytes, "\xe2\x82\xac", 3);
}
END_TEST

START_TEST(a_plain_run_ends_at_any_special_byte_at_any_place)
{
    enum { LEN = 27 };
    char text[LEN];
    for (size_t at = 0; at < LEN; at++) {
        for (int c = 0; c < 256; c++) {
            bool plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
            memset(text, 'x', sizeof text);
            text[at] = (char)c;
            if (utf8_plain_run(text, sizeof text) != (plain ? (size_t)LEN : at))
                ck_abort_msg("byte 0x%02x at %zu", (unsigned)c, at);
        }
    }
    ck_assert_uint_eq(utf8_plain_run("", 0), 0);
}
END_TEST

UNIT_MAIN("utf8", utf8_is_told_from_other_bytes, sequences_have_their_length_or_none,
          every_code_point_becomes_well_formed_bytes, a_plain_run_ends_at_any_special_byte_at_any_place)
