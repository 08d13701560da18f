/* The headers of an HTTP reply, read line by line as they come: only those that somebody uses. */
#ifndef SLUICE_AWS_HTTP_REPLY_H
#define SLUICE_AWS_HTTP_REPLY_H

#include "aws/http.h"

/* The last Date value read: the replies of one second share it. Zero it at the start. */
struct http_date_cache {
    char text[32];
    int64_t epoch_ms;
};

/* Empties a reply; its body keeps its memory. */
void http_reply_clear(struct http_reply *reply);

/* Takes a status or header line, with or without its line end. A status line empties the reply: what came
 * before belongs to an interim (1xx) reply. */
void http_reply_take_line(struct http_reply *reply, struct http_date_cache *dates, const char *line,
                          size_t len);

#endif
