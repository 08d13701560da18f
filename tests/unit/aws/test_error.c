/* Error replies as services, proxies and emulators send them, and what they mean. */
#include "aws/error.h"

#include "tests/unit/unit.h"

struct shape {
    int status;
    const char *body;
    const char *query_error;
    const char *code;
    const char *query_code;
    const char *message;
};

static const struct shape SHAPES[] = {
    /* SQS's own errors, with and without the header of the Query protocol. */
    {400,
     "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\",\"message\":\"The specified queue does not "
     "exist.\"}",
     "AWS.SimpleQueueService.NonExistentQueue;Sender", "QueueDoesNotExist",
     "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist."},
    {400, "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\",\"message\":\"no\"}", "", "QueueDoesNotExist",
     "", "no"},
    /* The generic frontend: capital M. */
    {403,
     "{\"__type\":\"com.amazon.coral.service#AccessDeniedException\",\"Message\":\"User: x is not "
     "authorized\"}",
     "", "AccessDeniedException", "", "User: x is not authorized"},
    /* No namespace; a URL behind the name; both. */
    {400, "{\"__type\":\"ThrottlingException\",\"message\":\"Rate exceeded\"}", "", "ThrottlingException", "",
     "Rate exceeded"},
    {400, "{\"__type\":\"ValidationException:http://internal/coral/\"}", "", "ValidationException", "", ""},
    {400, "{\"__type\":\"a.b#c#Name:http://x/#y\"}", "", "Name", "", ""},
    /* Names elsewhere, order, other members, white space around. */
    {400, " \r\n{\"Message\":\"m\",\"extra\":[{\"__type\":\"no\"}],\"code\":\"Some#Code\"}\n", "", "Code", "",
     "m"},
    {400, "{\"code\":\"second\",\"__type\":\"x#First\"}", "", "First", "", ""},
    {400, "{\"__type\":\"x#First\",\"code\":\"second\"}", "", "First", "", ""},
    {400, "{\"__type\":5,\"message\":null}", "", "400", "", ""},
    {400, "{\"__type\":\"Cut", "", "400", "", ""},
    {400, "{}", "A.B;Sender", "A.B", "A.B", ""},
    /* The header counts only with exactly two parts. */
    {400, "{\"__type\":\"X\"}", "A;Sender;more", "X", "", ""},
    {400, "{\"__type\":\"X\"}", "A", "X", "", ""},
    /* XML as emulators answer JSON services, entities and line ends in the text. */
    {403,
     "<?xml version=\"1.0\"?>\n<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
     "<Message>User &quot;a&quot; &lt;b&gt;\nmay &amp;amp; not</Message></Error><RequestId>r-1</RequestId>"
     "</ErrorResponse>",
     "", "AccessDenied", "", "User \"a\" <b> may &amp; not"},
    {403, "<Error><Code>SignatureDoesNotMatch", "", "403", "", ""},
    /* Proxies and load balancers. */
    {503, "<html><head><title>503 Service Unavailable</title></head></html>", "", "503", "",
     "503 Service Unavailable"},
    {502, "", "", "502", "", ""},
    {504, "upstream timed out", "", "504", "", ""},
};

START_TEST(every_recorded_shape_is_read)
{
    for (size_t i = 0; i < sizeof SHAPES / sizeof SHAPES[0]; i++) {
        const struct shape *s = &SHAPES[i];
        struct aws_error error;
        char *body = strdup(s->body);
        ck_assert_ptr_nonnull(body);
        aws_error_parse(s->status, body, strlen(body), s->query_error, &error);
        ck_assert_msg(strcmp(error.code, s->code) == 0, "%s: code %s", s->body, error.code);
        ck_assert_str_eq(error.query_code, s->query_code);
        ck_assert_str_eq(error.message, s->message);
        free(body);
    }
}
END_TEST

START_TEST(the_request_id_of_an_xml_error_is_kept)
{
    struct aws_error error;
    char body[] = "<ErrorResponse><Error><Code>X</Code></Error><RequestId>abc-1</RequestId></ErrorResponse>";
    aws_error_parse(400, body, strlen(body), "", &error);
    ck_assert_str_eq(error.request_id, "abc-1");
}
END_TEST

START_TEST(a_long_message_is_cut_at_a_character)
{
    struct aws_error error;
    char body[1024] = "{\"message\":\"";
    for (int i = 0; i < 200; i++)
        strcat(body, "\xc3\xa9");
    strcat(body, "\"}");
    aws_error_parse(400, body, strlen(body), "", &error);
    size_t len = strlen(error.message);
    ck_assert_uint_ge(len, 250);
    ck_assert_uint_eq(len % 2, 0);
}
END_TEST

struct meaning {
    int status;
    const char *code;
    const char *query_code;
    enum aws_kind kind;
    enum retry_class retry;
};

static const struct meaning MEANINGS[] = {
    {403, "RequestThrottled", "", AWS_KIND_THROTTLED, RETRY_THROTTLED},
    {400, "KmsThrottled", "KMS.ThrottlingException", AWS_KIND_THROTTLED, RETRY_THROTTLED},
    {400, "Unheard", "KMS.ThrottlingException", AWS_KIND_THROTTLED, RETRY_THROTTLED},
    {400, "ThrottlingException", "", AWS_KIND_THROTTLED, RETRY_THROTTLED},
    {400, "Throttling", "", AWS_KIND_THROTTLED, RETRY_THROTTLED},
    {400, "TooManyRequestsException", "", AWS_KIND_THROTTLED, RETRY_THROTTLED},
    {400, "RequestLimitExceeded", "", AWS_KIND_THROTTLED, RETRY_THROTTLED},
    {503, "SlowDown", "", AWS_KIND_THROTTLED, RETRY_THROTTLED}, /* throttling is looked for first */
    {429, "429", "", AWS_KIND_THROTTLED, RETRY_THROTTLED},
    {408, "408", "", AWS_KIND_TRANSIENT, RETRY_TRANSIENT},
    {500, "InternalFailure", "", AWS_KIND_TRANSIENT, RETRY_TRANSIENT},
    {400, "RequestTimeout", "", AWS_KIND_TRANSIENT, RETRY_TRANSIENT},
    {400, "IDPCommunicationError", "", AWS_KIND_TRANSIENT, RETRY_TRANSIENT},
    {500, "500", "", AWS_KIND_TRANSIENT, RETRY_TRANSIENT},
    {502, "502", "", AWS_KIND_TRANSIENT, RETRY_TRANSIENT},
    {503, "503", "", AWS_KIND_TRANSIENT, RETRY_TRANSIENT},
    {504, "504", "", AWS_KIND_TRANSIENT, RETRY_TRANSIENT},
    {501, "501", "", AWS_KIND_TRANSIENT, RETRY_NEVER},
    {403, "OverLimit", "", AWS_KIND_THROTTLED, RETRY_NEVER},
    {403, "PurgeQueueInProgress", "", AWS_KIND_REQUEST, RETRY_NEVER},
    {404, "ReceiptHandleIsInvalid", "", AWS_KIND_REQUEST, RETRY_NEVER},
    {400, "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", AWS_KIND_NOT_FOUND, RETRY_NEVER},
    {400, "AWS.SimpleQueueService.NonExistentQueue", "", AWS_KIND_NOT_FOUND, RETRY_NEVER},
    {404, "404", "", AWS_KIND_NOT_FOUND, RETRY_NEVER},
    {403, "AccessDenied", "", AWS_KIND_DENIED, RETRY_NEVER},
    {400, "AccessDeniedException", "", AWS_KIND_DENIED, RETRY_NEVER},
    {403, "SomethingElse", "", AWS_KIND_DENIED, RETRY_NEVER},
    {403, "SignatureDoesNotMatch", "", AWS_KIND_CREDENTIALS, RETRY_NEVER},
    {400, "InvalidSignatureException", "", AWS_KIND_CREDENTIALS, RETRY_NEVER},
    {403, "ExpiredToken", "", AWS_KIND_CREDENTIALS, RETRY_NEVER},
    {403, "InvalidClientTokenId", "", AWS_KIND_CREDENTIALS, RETRY_NEVER},
    {400, "InvalidParameterValueException", "", AWS_KIND_REQUEST, RETRY_NEVER},
    {413, "413", "", AWS_KIND_REQUEST, RETRY_NEVER},
    {301, "301", "", AWS_KIND_REQUEST, RETRY_NEVER},
};

START_TEST(every_code_has_its_meaning)
{
    for (size_t i = 0; i < sizeof MEANINGS / sizeof MEANINGS[0]; i++) {
        const struct meaning *m = &MEANINGS[i];
        struct aws_error error = {.code = ""};
        strcpy(error.code, m->code);
        strcpy(error.query_code, m->query_code);
        struct aws_error_meaning got = aws_error_judge(m->status, &error);
        ck_assert_msg(got.kind == m->kind, "%d %s is %s", m->status, m->code, aws_kind_name(got.kind));
        ck_assert_msg(got.retry == m->retry, "%d %s retry %d", m->status, m->code, got.retry);
    }
}
END_TEST

START_TEST(the_codes_of_a_wrong_clock_and_of_expired_keys_are_marked)
{
    static const char *const SKEW[] = {
        "RequestTimeTooSkewed",  "RequestExpired", "RequestInTheFuture",   "InvalidSignatureException",
        "SignatureDoesNotMatch", "AuthFailure",    "AccessDeniedException"};
    static const char *const EXPIRED[] = {"ExpiredToken", "ExpiredTokenException",
                                          "UnrecognizedClientException", "InvalidClientTokenId"};
    struct aws_error error = {.code = ""};
    for (size_t i = 0; i < sizeof SKEW / sizeof SKEW[0]; i++) {
        strcpy(error.code, SKEW[i]);
        ck_assert_msg(aws_error_judge(403, &error).may_be_skew, "%s", SKEW[i]);
        ck_assert_msg(!aws_error_judge(403, &error).expired_credentials, "%s", SKEW[i]);
    }
    for (size_t i = 0; i < sizeof EXPIRED / sizeof EXPIRED[0]; i++) {
        strcpy(error.code, EXPIRED[i]);
        ck_assert_msg(aws_error_judge(403, &error).expired_credentials, "%s", EXPIRED[i]);
        ck_assert_msg(!aws_error_judge(403, &error).may_be_skew, "%s", EXPIRED[i]);
    }
}
END_TEST

START_TEST(throttling_codes_of_batch_entries_are_known)
{
    ck_assert(aws_error_is_throttling("RequestThrottled"));
    ck_assert(aws_error_is_throttling("KmsThrottled"));
    ck_assert(!aws_error_is_throttling("InternalError"));
    ck_assert(!aws_error_is_throttling(""));
}
END_TEST

UNIT_MAIN("error", every_recorded_shape_is_read, the_request_id_of_an_xml_error_is_kept,
          a_long_message_is_cut_at_a_character, every_code_has_its_meaning,
          the_codes_of_a_wrong_clock_and_of_expired_keys_are_marked,
          throttling_codes_of_batch_entries_are_known)
