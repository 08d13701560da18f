/* HTTP/1.1 request parser; see http_request.h. Strict where leniency helps smugglers: CRLF only, no folded
 * lines, one length. */
#include "localaws/http_request.h"

#include <strings.h>
#include <sys/types.h>

static bool is_token(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

size_t http_request_head_len(const char *from, size_t len, size_t *scanned)
{
    size_t start = *scanned > 3 ? *scanned - 3 : 0;
    const char *end = len > start ? memmem(from + start, len - start, "\r\n\r\n", 4) : NULL;
    *scanned = len;
    return end == NULL ? 0 : (size_t)(end - from) + 4;
}

/* "POST /path?query HTTP/1.1" at [at, end). */
static int parse_request_line(struct http_request *request, char *at, char *end)
{
    char *space = memchr(at, ' ', (size_t)(end - at));
    char *last = memrchr(at, ' ', (size_t)(end - at));
    if (space == NULL || space == last || space == at)
        return 400;
    for (char *c = at; c < space; c++)
        if (!is_token(*c))
            return 400;
    for (char *c = space + 1; c < last; c++)
        if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7F)
            return 400;
    if (end - last != 9 || memcmp(last, " HTTP/1.", 8) != 0 || last[8] < '0' || last[8] > '9')
        return end - last > 6 && memcmp(last, " HTTP/", 6) == 0 ? 505 : 400;
    request->minor_version = last[8] - '0';
    request->method = (struct slice){at, (size_t)(space - at)};
    char *target = space + 1;
    if (*target != '/' && strncasecmp(target, "http://", 7) == 0) { /* absolute form, as proxies send it */
        char *slash = memchr(target + 7, '/', (size_t)(last - target - 7));
        target = slash == NULL ? last : slash;
    } else if (*target != '/') {
        return 400;
    }
    char *question = memchr(target, '?', (size_t)(last - target));
    char *path_end = question == NULL ? last : question;
    request->path = (struct slice){target, (size_t)(path_end - target)};
    request->query = question == NULL ? (struct slice){last, 0}
                                      : (struct slice){question + 1, (size_t)(last - question - 1)};
    *space = *path_end = *last = '\0';
    return 0;
}

static int parse_header(struct http_header *header, char *at, char *end)
{
    char *colon = memchr(at, ':', (size_t)(end - at));
    if (colon == NULL || colon == at)
        return 400;
    for (char *c = at; c < colon; c++)
        if (!is_token(*c))
            return 400; /* also refuses folded lines and blanks before the colon */
    char *value = colon + 1;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    for (char *c = value; c < end; c++)
        if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7F)
            return 400;
    *colon = *end = '\0';
    header->name = (struct slice){at, (size_t)(colon - at)};
    header->value = (struct slice){value, (size_t)(end - value)};
    return 0;
}

static int parse_length(struct slice text, size_t *length)
{
    size_t value = 0;
    if (text.len == 0)
        return 400;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return 400;
        if (value > HTTP_BODY_BYTES_MAX)
            return 413;
        value = value * 10 + (size_t)(text.at[i] - '0');
    }
    *length = value;
    return value > HTTP_BODY_BYTES_MAX ? 413 : 0;
}

static bool name_is(const struct http_header *header, const char *name, size_t len)
{
    return header->name.len == len && strncasecmp(header->name.at, name, len) == 0;
}

/* What a header means for the framing of the request. */
static int note_header(struct http_request *request, const struct http_header *header, bool *has_length)
{
    size_t length = 0;
    if (name_is(header, "content-length", 14)) {
        int status = parse_length(header->value, &length);
        if (status == 0 && *has_length && length != request->content_length)
            status = 400;
        *has_length = true;
        request->content_length = length;
        return status;
    }
    if (name_is(header, "transfer-encoding", 17)) {
        if (request->is_chunked || strcasecmp(header->value.at, "chunked") != 0)
            return 501;
        request->is_chunked = true;
    } else if (name_is(header, "connection", 10)) {
        if (strcasestr(header->value.at, "close") != NULL)
            request->keep_alive = false;
        else if (strcasestr(header->value.at, "keep-alive") != NULL)
            request->keep_alive = true;
    } else if (name_is(header, "expect", 6)) {
        if (strcasecmp(header->value.at, "100-continue") != 0)
            return 417;
        request->expects_continue = true;
    }
    return 0;
}

int http_request_parse_head(struct http_request *request, char *head, size_t len)
{
    memset(request, 0, offsetof(struct http_request, headers));
    request->header_count = 0;
    request->is_chunked = request->expects_continue = false;
    request->content_length = request->body_len = 0;
    request->body = NULL;
    char *end = head + len - 2; /* before the empty line */
    char *line_end = memmem(head, len, "\r\n", 2);
    int status = line_end == NULL ? 400 : parse_request_line(request, head, line_end);
    if (status != 0)
        return status;
    request->keep_alive = request->minor_version >= 1;
    bool has_length = false;
    for (char *at = line_end + 2; at < end; at = line_end + 2) {
        line_end = memmem(at, (size_t)(end - at), "\r\n", 2);
        if (line_end == NULL)
            return 400;
        if (request->header_count == HTTP_HEADERS_MAX)
            return 431;
        struct http_header *header = &request->headers[request->header_count++];
        status = parse_header(header, at, line_end);
        if (status == 0)
            status = note_header(request, header, &has_length);
        if (status != 0)
            return status;
    }
    return request->is_chunked && has_length ? 400 : 0;
}

static void rebase_slice(struct slice *s, const char *old_base, char *new_base)
{
    if (s->at != NULL)
        s->at = new_base + (s->at - old_base);
}

void http_request_rebase(struct http_request *request, const char *old_base, char *new_base)
{
    rebase_slice(&request->method, old_base, new_base);
    rebase_slice(&request->path, old_base, new_base);
    rebase_slice(&request->query, old_base, new_base);
    for (size_t i = 0; i < request->header_count; i++) {
        rebase_slice(&request->headers[i].name, old_base, new_base);
        rebase_slice(&request->headers[i].value, old_base, new_base);
    }
}

struct slice http_request_header(const struct http_request *request, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < request->header_count; i++)
        if (name_is(&request->headers[i], name, len))
            return request->headers[i].value;
    return (struct slice){NULL, 0};
}

/* ---- chunked bodies ---- */

enum chunk_state { CHUNK_SIZE_LINE, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER };

enum { CHUNK_LINE_MAX = 1024 };

/* The line that starts at `in`: its length without CRLF, -1 when it is not complete, -2 when it is too long.
 */
static ssize_t line_len(const struct http_chunks *chunks, const char *body, size_t len)
{
    const char *from = body + chunks->in;
    const char *end = memmem(from, len - chunks->in, "\r\n", 2);
    if (end == NULL)
        return len - chunks->in > CHUNK_LINE_MAX ? -2 : -1;
    return end - from > CHUNK_LINE_MAX ? -2 : end - from;
}

static int parse_chunk_size(const char *line, size_t len, size_t *size)
{
    size_t value = 0;
    size_t i = 0;
    for (; i < len && line[i] != ';' && line[i] != ' '; i++) {
        char c = line[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return HTTP_CHUNKS_BAD;
        value = value * 16 + (size_t)digit;
        if (value > HTTP_BODY_BYTES_MAX)
            return HTTP_CHUNKS_TOO_LONG;
    }
    *size = value;
    return i == 0 ? HTTP_CHUNKS_BAD : HTTP_CHUNKS_MORE;
}

static int feed_line(struct http_chunks *chunks, const char *body, size_t len)
{
    ssize_t line = line_len(chunks, body, len);
    if (line < 0)
        return line == -2 ? HTTP_CHUNKS_BAD : -1;
    const char *from = body + chunks->in;
    chunks->in += (size_t)line + 2;
    if (chunks->state == CHUNK_TRAILER)
        return line == 0 ? HTTP_CHUNKS_DONE : HTTP_CHUNKS_MORE;
    int result = parse_chunk_size(from, (size_t)line, &chunks->left);
    if (result == HTTP_CHUNKS_MORE && chunks->out + chunks->left > HTTP_BODY_BYTES_MAX)
        return HTTP_CHUNKS_TOO_LONG;
    chunks->state = chunks->left == 0 ? CHUNK_TRAILER : CHUNK_DATA;
    return result;
}

enum http_chunks_result http_chunks_feed(struct http_chunks *chunks, char *body, size_t len)
{
    for (;;) {
        if (chunks->state == CHUNK_SIZE_LINE || chunks->state == CHUNK_TRAILER) {
            int result = feed_line(chunks, body, len);
            if (result == -1)
                return HTTP_CHUNKS_MORE;
            if (result != HTTP_CHUNKS_MORE)
                return (enum http_chunks_result)result;
        } else if (chunks->state == CHUNK_DATA) {
            size_t some = len - chunks->in < chunks->left ? len - chunks->in : chunks->left;
            memmove(body + chunks->out, body + chunks->in, some);
            chunks->in += some;
            chunks->out += some;
            chunks->left -= some;
            if (chunks->left > 0)
                return HTTP_CHUNKS_MORE;
            chunks->state = CHUNK_DATA_END;
        } else {
            if (len - chunks->in < 2)
                return HTTP_CHUNKS_MORE;
            if (memcmp(body + chunks->in, "\r\n", 2) != 0)
                return HTTP_CHUNKS_BAD;
            chunks->in += 2;
            chunks->state = CHUNK_SIZE_LINE;
        }
    }
}

const char *http_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } TEXTS[] = {{200, "OK"},
                 {400, "Bad Request"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {408, "Request Timeout"},
                 {413, "Content Too Large"},
                 {417, "Expectation Failed"},
                 {429, "Too Many Requests"},
                 {431, "Request Header Fields Too Large"},
                 {500, "Internal Server Error"},
                 {501, "Not Implemented"},
                 {502, "Bad Gateway"},
                 {503, "Service Unavailable"},
                 {504, "Gateway Timeout"},
                 {505, "HTTP Version Not Supported"}};
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++)
        if (TEXTS[i].status == status)
            return TEXTS[i].text;
    return "Unknown";
}
