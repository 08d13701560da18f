/*
 * Parser of HTTP/1.1 requests (RFC 9112) over bytes in memory: heads and chunked bodies. It changes the bytes
 * in place (texts are NUL-terminated where they stand) and keeps pointers into them. Pure.
 */
#ifndef SLUICE_LOCALAWS_HTTP_REQUEST_H
#define SLUICE_LOCALAWS_HTTP_REQUEST_H

#include "localaws/slice.h"

#include <stdint.h>

enum { HTTP_HEADERS_MAX = 64, HTTP_HEAD_BYTES_MAX = 32768, HTTP_BODY_BYTES_MAX = 8 * 1024 * 1024 };

/* All slices of a request are followed by a NUL. */
struct http_header {
    struct slice name;  /* as sent */
    struct slice value; /* without white space around it */
};

struct http_request {
    struct slice method;
    struct slice path;  /* without the query */
    struct slice query; /* len 0: none */
    int minor_version;  /* of HTTP/1.x */
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t header_count;

    bool keep_alive;
    bool is_chunked;
    bool expects_continue;
    size_t content_length;

    char *body; /* set when it is complete; not NUL-terminated */
    size_t body_len;
};

/* Parses the head of `len` bytes that ends with an empty line. Returns 0, or the HTTP status to refuse it
 * with. */
int http_request_parse_head(struct http_request *request, char *head, size_t len);

/* Finds the end of a head in [from + *scanned, from + len): its length with the empty line, or 0; *scanned
 * moves on so that no byte is looked at twice. */
size_t http_request_head_len(const char *from, size_t len, size_t *scanned);

/* The bytes have moved by `delta`: moves all pointers. */
void http_request_rebase(struct http_request *request, const char *old_base, char *new_base);

/* The value of a header (any case), absent when it was not sent. */
struct slice http_request_header(const struct http_request *request, const char *name);

/* Decodes a chunked body where it stands. Offsets are relative to the body's first byte. */
struct http_chunks {
    size_t in;   /* first byte not looked at */
    size_t out;  /* bytes decoded so far */
    size_t left; /* of the current chunk */
    int state;
};

enum http_chunks_result { HTTP_CHUNKS_MORE, HTTP_CHUNKS_DONE, HTTP_CHUNKS_BAD, HTTP_CHUNKS_TOO_LONG };

/* `len`: bytes received behind the head. After HTTP_CHUNKS_DONE `in` is where the next request starts. */
enum http_chunks_result http_chunks_feed(struct http_chunks *chunks, char *body, size_t len);

/* "Not Found" for 404; "Unknown" for what we never send. */
const char *http_status_text(int status);

#endif
