/* The XML reader: what it reads, what it refuses, and that no bytes lead it astray. */
#include "aws/xml.h"

#include "aws/sts.h"
#include "base/alloc.h"
#include "base/strbuf.h"
#include "tests/unit/unit.h"

#include <stdint.h>
#include <stdio.h>

/* "(a (b 'text') (c ''))", or "error: ..." */
static char *read_all(const char *text, size_t len)
{
    struct strbuf out = STRBUF_INIT;
    char *copy = xcalloc(1, len > 0 ? len : 1); /* no NUL behind */
    memcpy(copy, text, len);
    struct xml x = xml_start(copy, len);
    enum xml_event event = XML_ERROR;
    while ((event = xml_next(&x)) > XML_END) {
        const struct xml_name *name = &x.open[x.depth - 1];
        if (event == XML_OPEN)
            strbuf_appendf(&out, "(%.*s", (int)name->len, name->text);
        else
            strbuf_appendf(&out, " '%s')", x.text);
    }
    if (event == XML_ERROR) {
        ck_assert_ptr_nonnull(x.problem);
        ck_assert_int_eq(xml_next(&x), XML_ERROR);
        strbuf_clear(&out);
        strbuf_appendf(&out, "error: %s", x.problem);
    }
    free(copy);
    return strbuf_take(&out);
}

static void check(const char *text, const char *wanted)
{
    char *got = read_all(text, strlen(text));
    ck_assert_str_eq(got, wanted);
    free(got);
}

START_TEST(good_texts_are_read)
{
    check("<a/>", "(a '')");
    check("<?xml version=\"1.0\"?>\n<a x=\"1\" y = '>' >\n <b>t&lt;&amp;&#65;&#x42;&gt;</b><c></c> </a>\n",
          "(a(b 't<&AB>')(c '') '')");
    check("<n:a-1.b>  kept  </n:a-1.b >", "(n:a-1.b '  kept  ')");
    check("<a>&#x20AC;&#x1F600;</a>", "(a '\xE2\x82\xAC\xF0\x9F\x98\x80')");
}
END_TEST

START_TEST(everything_else_is_refused)
{
    check("", "error: the text is cut short");
    check("x", "error: text between elements");
    check("<a>", "error: the text is cut short");
    check("<a></b>", "error: a closing tag for another element");
    check("</a>", "error: a closing tag that closes nothing");
    check("<a/><b/>", "error: more than one root element");
    check("<a/>x", "error: text between elements");
    check("<a>x<b/></a>", "error: text between elements");
    check("<a><b/>x</a>", "error: text between elements");
    check("<!DOCTYPE a><a/>", "error: a tag that is none");
    check("<a><!-- x --></a>", "error: a tag that is none");
    check("<a><![CDATA[x]]></a>", "error: a tag that is none");
    check("<a><?php ?></a>", "error: a tag that is none");
    check("<a b></a>", "error: a tag that is none");
    check("<a b=c></a>", "error: a tag that is none");
    check("<a b='<'></a>", "error: a tag that is none");
    check("<a b='x'c='y'></a>", "error: a tag that is none");
    check("<a>&nbsp;</a>", "error: an entity that is none of XML's own");
    check("<a>&#0;</a>", "error: an entity that is none of XML's own");
    check("<a>&#xD800;</a>", "error: an entity that is none of XML's own");
    check("<a>&#x110000;</a>", "error: an entity that is none of XML's own");
    check("<a>&amp</a>", "error: an entity that is none of XML's own");
    check("<?xml version='1.0'?><?xml version='1.0'?><a/>", "error: a tag that is none");
    char *got = read_all("<a>\0</a>", 8);
    ck_assert_str_eq(got, "error: a NUL in the text");
    free(got);
}
END_TEST

START_TEST(depth_and_length_have_limits)
{
    struct strbuf text = STRBUF_INIT;
    for (int i = 0; i < XML_DEPTH_MAX + 1; i++)
        strbuf_append_str(&text, "<a>");
    char *got = read_all(text.data, text.len);
    ck_assert_str_eq(got, "error: elements too deep");
    free(got);
    strbuf_clear(&text);
    memset(strbuf_reserve(&text, XML_BYTES_MAX + 1), ' ', XML_BYTES_MAX + 1);
    got = read_all(text.data, XML_BYTES_MAX + 1);
    ck_assert_str_eq(got, "error: the text is too long");
    free(got);
    strbuf_clean_up(&text);
}
END_TEST

static const char REPLY[] =
    "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n <AssumeRoleResult>\n"
    "  <AssumedRoleUser><Arn>arn:x</Arn></AssumedRoleUser>\n  <Credentials>\n"
    "   <AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>hush/+=</SecretAccessKey>\n"
    "   <SessionToken>TOKEN&#61;</SessionToken><Expiration>2030-01-02T03:04:05Z</Expiration>\n"
    "  </Credentials>\n </AssumeRoleResult>\n"
    " <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>\n</AssumeRoleResponse>\n";

static struct aws_credentials *parse(const char *text, size_t len, struct err *err)
{
    char *copy = xcalloc(1, len > 0 ? len : 1); /* no NUL behind */
    memcpy(copy, text, len);
    struct aws_credentials *c = sts_parse_credentials(copy, len, "test", err);
    free(copy);
    return c;
}

START_TEST(credentials_are_read_from_a_reply_of_sts)
{
    struct err err = {""};
    struct aws_credentials *c = parse(REPLY, strlen(REPLY), &err);
    ck_assert_msg(c != NULL, "%s", err.text);
    ck_assert_str_eq(aws_credentials_access_key_id(c), "ASIA1");
    ck_assert_str_eq(aws_credentials_secret(c), "hush/+=");
    ck_assert_str_eq(aws_credentials_session_token(c), "TOKEN=");
    ck_assert_int_eq(aws_credentials_expires_ms(c), 1893553445000);
    aws_credentials_release(c);
}
END_TEST

START_TEST(a_part_that_is_missing_is_named)
{
    static const char *const NAMES[] = {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"};
    for (size_t i = 0; i < 4; i++) {
        struct err err = {""};
        char *text = xstrdup(REPLY);
        char tag[32];
        (void)snprintf(tag, sizeof tag, "<%s>", NAMES[i]);
        char *open = strstr(text, tag);
        (void)snprintf(tag, sizeof tag, "</%s>", NAMES[i]);
        char *close = strstr(text, tag);
        open[1] = close[2] = 'X';
        ck_assert_ptr_null(parse(text, strlen(text), &err));
        ck_assert_ptr_nonnull(strstr(err.text, NAMES[i]));
        ck_assert_ptr_null(strstr(err.text, "hush"));
        free(text);
    }
}
END_TEST

/* Cut anywhere, and with any bytes changed: an answer or an error, and never a read beyond the end (the copy
 * is as long as the text, so that the sanitizers see one). */
START_TEST(no_bytes_lead_it_astray)
{
    size_t len = strlen(REPLY);
    uint32_t state = 42;
    struct err err = {""};
    for (size_t cut = 0; cut < len - 1; cut++)
        ck_assert_ptr_null(parse(REPLY, cut, &err));
    for (long i = 0; i < unit_steps(20000); i++) {
        char *text = xstrdup(REPLY);
        for (int k = 0; k < 1 + i % 4; k++) {
            state = state * 1664525U + 1013904223U;
            text[(state >> 8) % len] = "<>/&;='\"#x \n\1\xff"
                                       "ab"[(state >> 4) % 16];
        }
        aws_credentials_release(parse(text, len, &err));
        free(text);
    }
}
END_TEST

UNIT_MAIN("xml", good_texts_are_read, everything_else_is_refused, depth_and_length_have_limits,
          credentials_are_read_from_a_reply_of_sts, a_part_that_is_missing_is_named, no_bytes_lead_it_astray)
