/* Reading and judging error replies; see error.h. */
#include "aws/error.h"

#include "base/jsonp.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- meaning ---- */

/* One row an error code, in its newer or older spelling. What is not here is judged by its HTTP status. */
static const struct row {
    const char *code;
    enum aws_kind kind;
    enum retry_class retry;
    bool may_be_skew;
    bool expired_credentials;
} ROWS[] = {
    {"Throttling", AWS_KIND_THROTTLED, RETRY_THROTTLED, false, false},
    {"ThrottlingException", AWS_KIND_THROTTLED, RETRY_THROTTLED, false, false},
    {"ThrottledException", AWS_KIND_THROTTLED, RETRY_THROTTLED, false, false},
    {"RequestThrottledException", AWS_KIND_THROTTLED, RETRY_THROTTLED, false, false},
    {"RequestThrottled", AWS_KIND_THROTTLED, RETRY_THROTTLED, false, false},
    {"TooManyRequestsException", AWS_KIND_THROTTLED, RETRY_THROTTLED, false, false},
    {"ProvisionedThroughputExceededException", AWS_KIND_THROTTLED, RETRY_THROTTLED, false, false},
    {"TransactionInProgressException", AWS_KIND_THROTTLED, RETRY_THROTTLED, false, false},
    {"RequestLimitExceeded", AWS_KIND_THROTTLED, RETRY_THROTTLED, false, false},
    {"BandwidthLimitExceeded", AWS_KIND_THROTTLED, RETRY_THROTTLED, false, false},
    {"LimitExceededException", AWS_KIND_THROTTLED, RETRY_THROTTLED, false, false},
    {"SlowDown", AWS_KIND_THROTTLED, RETRY_THROTTLED, false, false},
    {"PriorRequestNotComplete", AWS_KIND_THROTTLED, RETRY_THROTTLED, false, false},
    {"EC2ThrottledException", AWS_KIND_THROTTLED, RETRY_THROTTLED, false, false},
    /* Not in the SDKs' lists, but a queue with a busy KMS key answers so. */
    {"KmsThrottled", AWS_KIND_THROTTLED, RETRY_THROTTLED, false, false},
    {"KMS.ThrottlingException", AWS_KIND_THROTTLED, RETRY_THROTTLED, false, false},

    {"RequestTimeout", AWS_KIND_TRANSIENT, RETRY_TRANSIENT, false, false},
    {"RequestTimeoutException", AWS_KIND_TRANSIENT, RETRY_TRANSIENT, false, false},
    {"InternalFailure", AWS_KIND_TRANSIENT, RETRY_TRANSIENT, false, false},
    {"InternalError", AWS_KIND_TRANSIENT, RETRY_TRANSIENT, false, false},
    {"ServiceUnavailable", AWS_KIND_TRANSIENT, RETRY_TRANSIENT, false, false},
    /* ECS and Application Auto Scaling; emulators answer them with 400. */
    {"ServerException", AWS_KIND_TRANSIENT, RETRY_TRANSIENT, false, false},
    {"InternalServiceException", AWS_KIND_TRANSIENT, RETRY_TRANSIENT, false, false},
    {"ConcurrentUpdateException", AWS_KIND_TRANSIENT, RETRY_TRANSIENT, false, false},
    {"UpdateInProgressException", AWS_KIND_TRANSIENT, RETRY_TRANSIENT, false, false},
    {"IDPCommunicationError", AWS_KIND_TRANSIENT, RETRY_TRANSIENT, false, false},

    {"RequestTimeTooSkewed", AWS_KIND_CREDENTIALS, RETRY_NEVER, true, false},
    {"RequestExpired", AWS_KIND_CREDENTIALS, RETRY_NEVER, true, false},
    {"RequestInTheFuture", AWS_KIND_CREDENTIALS, RETRY_NEVER, true, false},
    {"InvalidSignatureException", AWS_KIND_CREDENTIALS, RETRY_NEVER, true, false},
    {"SignatureDoesNotMatch", AWS_KIND_CREDENTIALS, RETRY_NEVER, true, false},
    {"AuthFailure", AWS_KIND_CREDENTIALS, RETRY_NEVER, true, false},
    {"ExpiredToken", AWS_KIND_CREDENTIALS, RETRY_NEVER, false, true},
    {"ExpiredTokenException", AWS_KIND_CREDENTIALS, RETRY_NEVER, false, true},
    {"UnrecognizedClientException", AWS_KIND_CREDENTIALS, RETRY_NEVER, false, true},
    {"InvalidClientTokenId", AWS_KIND_CREDENTIALS, RETRY_NEVER, false, true},
    {"InvalidAccessKeyId", AWS_KIND_CREDENTIALS, RETRY_NEVER, false, true},
    {"MissingAuthenticationToken", AWS_KIND_CREDENTIALS, RETRY_NEVER, false, false},
    {"MissingAuthenticationTokenException", AWS_KIND_CREDENTIALS, RETRY_NEVER, false, false},
    {"IncompleteSignature", AWS_KIND_CREDENTIALS, RETRY_NEVER, false, false},
    {"IncompleteSignatureException", AWS_KIND_CREDENTIALS, RETRY_NEVER, false, false},
    {"InvalidSecurity", AWS_KIND_CREDENTIALS, RETRY_NEVER, false, false},

    {"AccessDenied", AWS_KIND_DENIED, RETRY_NEVER, false, false},
    {"AccessDeniedException", AWS_KIND_DENIED, RETRY_NEVER, true, false},
    {"UnauthorizedOperation", AWS_KIND_DENIED, RETRY_NEVER, false, false},
    {"BlockedException", AWS_KIND_DENIED, RETRY_NEVER, false, false}, /* ECS: the account is blocked */
    {"OptInRequired", AWS_KIND_DENIED, RETRY_NEVER, false, false},
    {"KmsAccessDenied", AWS_KIND_DENIED, RETRY_NEVER, false, false},
    {"KMS.AccessDeniedException", AWS_KIND_DENIED, RETRY_NEVER, false, false},
    {"KmsOptInRequired", AWS_KIND_DENIED, RETRY_NEVER, false, false},
    {"KMS.OptInRequired", AWS_KIND_DENIED, RETRY_NEVER, false, false},

    {"QueueDoesNotExist", AWS_KIND_NOT_FOUND, RETRY_NEVER, false, false},
    {"AWS.SimpleQueueService.NonExistentQueue", AWS_KIND_NOT_FOUND, RETRY_NEVER, false, false},
    {"InvalidAddress", AWS_KIND_NOT_FOUND, RETRY_NEVER, false, false},
    {"ResourceNotFoundException", AWS_KIND_NOT_FOUND, RETRY_NEVER, false, false},
    {"ClusterNotFoundException", AWS_KIND_NOT_FOUND, RETRY_NEVER, false, false},
    {"ServiceNotFoundException", AWS_KIND_NOT_FOUND, RETRY_NEVER, false, false},
    {"ServiceNotActiveException", AWS_KIND_NOT_FOUND, RETRY_NEVER, false, false}, /* INACTIVE or DRAINING */

    /* Their HTTP status (403, 404) would mislead. OverLimit is a full queue: the poller slows down, the
       client does not retry. */
    {"OverLimit", AWS_KIND_THROTTLED, RETRY_NEVER, false, false},
    {"PurgeQueueInProgress", AWS_KIND_REQUEST, RETRY_NEVER, false, false},
    {"AWS.SimpleQueueService.PurgeQueueInProgress", AWS_KIND_REQUEST, RETRY_NEVER, false, false},
    {"ReceiptHandleIsInvalid", AWS_KIND_REQUEST, RETRY_NEVER, false, false},
};

static const struct row *find_row(const char *code)
{
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++)
        if (strcmp(ROWS[i].code, code) == 0)
            return &ROWS[i];
    return NULL;
}

bool aws_error_is_throttling(const char *code)
{
    const struct row *row = find_row(code);
    return row != NULL && row->retry == RETRY_THROTTLED;
}

static struct aws_error_meaning judge_status(int status)
{
    struct aws_error_meaning meaning = {.kind = AWS_KIND_REQUEST, .retry = RETRY_NEVER};
    if (status == 429) {
        meaning.kind = AWS_KIND_THROTTLED;
        meaning.retry = RETRY_THROTTLED;
    } else if (status == 408 || status == 500 || (status >= 502 && status <= 504)) {
        meaning.kind = AWS_KIND_TRANSIENT;
        meaning.retry = RETRY_TRANSIENT;
    } else if (status >= 500) {
        meaning.kind = AWS_KIND_TRANSIENT;
    } else if (status == 401 || status == 403) {
        meaning.kind = AWS_KIND_DENIED;
    } else if (status == 404) {
        meaning.kind = AWS_KIND_NOT_FOUND;
    }
    return meaning;
}

struct aws_error_meaning aws_error_judge(int http_status, const struct aws_error *error)
{
    const struct row *row = find_row(error->code);
    if (row == NULL && error->query_code[0] != '\0')
        row = find_row(error->query_code);
    if (row == NULL)
        return judge_status(http_status);
    return (struct aws_error_meaning){.kind = row->kind,
                                      .retry = row->retry,
                                      .may_be_skew = row->may_be_skew,
                                      .expired_credentials = row->expired_credentials};
}

/* ---- reading ---- */

/* Copies text as one line of printable characters, cut at a character's border. */
static void copy_line(char *out, size_t size, const char *text, size_t len)
{
    size_t used = 0;
    while (used < len && used + 1 < size) {
        unsigned char c = (unsigned char)text[used];
        out[used++] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
    }
    while (used < len && used > 0 && ((unsigned char)text[used] & 0xC0) == 0x80)
        used--;
    out[used] = '\0';
}

/* "com.amazonaws.sqs#QueueDoesNotExist:http://..." gives "QueueDoesNotExist". */
static void copy_code(char *out, size_t size, const char *text)
{
    size_t len = strcspn(text, ":");
    for (size_t i = len; i > 0; i--) {
        if (text[i - 1] == '#') {
            text += i;
            len -= i;
            break;
        }
    }
    copy_line(out, size, text, len);
}

static void parse_json(char *body, size_t len, struct aws_error *error)
{
    struct jsonp p = jsonp_start(body, len);
    const char *key = NULL;
    const char *text = NULL;
    size_t text_len = 0;
    (void)jsonp_object(&p);
    while (jsonp_next_key(&p, &key)) {
        bool is_code = strcmp(key, "__type") == 0 || strcasecmp(key, "code") == 0;
        bool is_message = strcasecmp(key, "message") == 0;
        if ((!is_code && !is_message) || jsonp_peek(&p) != JSONP_STRING) {
            (void)jsonp_skip(&p);
            continue;
        }
        if (!jsonp_string(&p, &text, &text_len))
            break;
        if (is_message)
            copy_line(error->message, sizeof error->message, text, text_len);
        else if (error->code[0] == '\0' || key[0] == '_')
            copy_code(error->code, sizeof error->code, text);
    }
}

static const char *find_text(const char *body, size_t len, const char *what)
{
    return memmem(body, len, what, strlen(what));
}

/* Puts the characters of the five entities in their place. */
static void undo_entities(char *text)
{
    static const char *const ENTITIES[][2] = {{"&lt;", "<"},   {"&gt;", ">"},  {"&quot;", "\""},
                                              {"&apos;", "'"}, {"&#39;", "'"}, {"&amp;", "&"}};
    char *to = text;
    while (*text != '\0') {
        size_t i = 0;
        size_t count = sizeof ENTITIES / sizeof ENTITIES[0];
        while (i < count && strncmp(text, ENTITIES[i][0], strlen(ENTITIES[i][0])) != 0)
            i++;
        *to++ = i < count ? ENTITIES[i][1][0] : *text;
        text += i < count ? strlen(ENTITIES[i][0]) : 1;
    }
    *to = '\0';
}

/* Text of the first element with that opening and closing tag. */
static void copy_element(const char *body, size_t len, const char *open, const char *close, char *out,
                         size_t size)
{
    const char *start = find_text(body, len, open);
    if (start == NULL)
        return;
    start += strlen(open);
    const char *end = find_text(start, len - (size_t)(start - body), close);
    if (end == NULL)
        return;
    copy_line(out, size, start, (size_t)(end - start));
    undo_entities(out);
}

static void parse_markup(const char *body, size_t len, struct aws_error *error)
{
    copy_element(body, len, "<Code>", "</Code>", error->code, sizeof error->code);
    copy_element(body, len, "<Message>", "</Message>", error->message, sizeof error->message);
    copy_element(body, len, "<RequestId>", "</RequestId>", error->request_id, sizeof error->request_id);
    if (error->code[0] == '\0' && error->message[0] == '\0')
        copy_element(body, len, "<title>", "</title>", error->message, sizeof error->message);
}

/* "AWS.SimpleQueueService.NonExistentQueue;Sender": only exactly two parts count. */
static void parse_query_error(const char *header, struct aws_error *error)
{
    const char *semicolon = strchr(header, ';');
    if (semicolon != NULL && strchr(semicolon + 1, ';') == NULL)
        copy_line(error->query_code, sizeof error->query_code, header, (size_t)(semicolon - header));
}

void aws_error_parse(int http_status, char *body, size_t len, const char *query_error,
                     struct aws_error *ret_error)
{
    struct aws_error error = {.code = ""};
    size_t start = 0;
    while (start < len && (body[start] == ' ' || (body[start] >= '\t' && body[start] <= '\r')))
        start++;
    if (start < len && body[start] == '{')
        parse_json(body + start, len - start, &error);
    else if (start < len && body[start] == '<')
        parse_markup(body + start, len - start, &error);
    parse_query_error(query_error, &error);
    if (error.code[0] == '\0' && error.query_code[0] != '\0')
        memcpy(error.code, error.query_code, sizeof error.code);
    if (error.code[0] == '\0')
        (void)snprintf(error.code, sizeof error.code, "%d", http_status);
    *ret_error = error;
}
