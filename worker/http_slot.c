/* Connections of the http handler; see http_slot.h. */
#include "worker/http_slot.h"

#include "aws/http_easy.h"
#include "base/alloc.h"
#include "base/clock.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long a wait lasts at most before the lease is looked at again: with the cancel descriptor that is only
 * a net, without one it is the delay of a cancellation. */
enum { LOOK_MS = 1000, LOOK_WITHOUT_FD_MS = 50, REPLY_BUFFER_BYTES = 4096 };

struct http_slot {
    const struct http_slot_options *options;
    CURL *easy;
    CURLM *multi;
    char *url; /* owned: what easy is set up for; NULL: nothing yet */
    struct http_answer answer;
    int sends; /* requests begun in this exchange */
    char error[CURL_ERROR_SIZE];
};

/* ---- what curl delivers ---- */

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
    struct http_slot *slot = arg;
    http_answer_take_line(&slot->answer, line, size * count);
    return size * count;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct http_slot *slot = arg;
    return http_answer_take_body(&slot->answer, bytes, size * count) ? size * count : 0;
}

#if LIBCURL_VERSION_NUM >= 0x075000
/* Before each request on a connection; the second one of an exchange would be libcurl's own repetition. */
static int on_request(void *arg, char *remote_address, char *local_address, int remote_port, int local_port)
{
    (void)remote_address;
    (void)local_address;
    (void)remote_port;
    (void)local_port;
    struct http_slot *slot = arg;
    return ++slot->sends > 1 ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}
#endif

/* ---- set-up ---- */

static void set_up_connection(struct http_slot *slot)
{
    CURL *easy = slot->easy;
    const struct http_slot_options *options = slot->options;
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)options->timeout_ms);
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, options->proxy);
    (void)curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, options->unix_socket);
    (void)curl_easy_setopt(easy, CURLOPT_USERNAME, options->target->user);
    (void)curl_easy_setopt(easy, CURLOPT_PASSWORD, options->target->password);
#if LIBCURL_VERSION_NUM >= 0x075000
    (void)curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_request);
    (void)curl_easy_setopt(easy, CURLOPT_PREREQDATA, slot);
#else
    /* This libcurl does not tell of its repetitions: without kept connections there are none. */
    (void)curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
#endif
    if (options->target->https)
        http_easy_set_up_tls(easy, options->ca_file);
}

struct http_slot *http_slot_new(const struct http_slot_options *options)
{
    struct http_slot *slot = xcalloc(1, sizeof *slot);
    slot->options = options;
    slot->easy = curl_easy_init();
    slot->multi = curl_multi_init();
    if (slot->easy == NULL || slot->multi == NULL)
        abort();
    CURL *easy = slot->easy;
    (void)curl_multi_setopt(slot->multi, CURLMOPT_MAXCONNECTS, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, slot->error);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, slot);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, slot);
    (void)curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)REPLY_BUFFER_BYTES);
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, options->user_agent);
    http_easy_set_up(easy);
    set_up_connection(slot);
    return slot;
}

void http_slot_destroy(struct http_slot *slot)
{
    if (slot == NULL)
        return;
    curl_easy_cleanup(slot->easy);
    (void)curl_multi_cleanup(slot->multi);
    free(slot->url);
    free(slot);
}

/* ---- one attempt ---- */

/* What a wait watches beside the connection. */
struct watch {
    const struct sluice_context *context;
    int cancel_fd; /* -1: nothing to watch, look more often */
};

/* After a wait: whether to stop. A descriptor that was a false alarm stays readable, so it is not watched any
 * more. */
static bool is_cancelled(struct watch *watch, bool alarm)
{
    if (watch->context->lease_lost(watch->context))
        return true;
    if (alarm)
        watch->cancel_fd = -1;
    return false;
}

/* Drives the transfer to its end; false when it was cancelled. */
static bool drive(struct http_slot *slot, struct watch *watch)
{
    for (;;) {
        int running = 0;
        (void)curl_multi_perform(slot->multi, &running);
        if (running == 0)
            return true;
        struct curl_waitfd fd = {.fd = watch->cancel_fd, .events = CURL_WAIT_POLLIN};
        bool has_fd = watch->cancel_fd >= 0;
        (void)curl_multi_poll(slot->multi, &fd, has_fd ? 1 : 0, has_fd ? LOOK_MS : LOOK_WITHOUT_FD_MS, NULL);
        if (is_cancelled(watch, has_fd && fd.revents != 0))
            return false;
    }
}

/* Runs the request that easy is set up for. CURLE_ABORTED_BY_CALLBACK with *cancelled when it was cancelled.
 */
static CURLcode attempt(struct http_slot *slot, struct watch *watch, bool *cancelled)
{
    CURLcode code = CURLE_ABORTED_BY_CALLBACK;
    int left = 0;
    http_answer_clear(&slot->answer);
    slot->error[0] = '\0';
    slot->sends = 0;
    if (curl_multi_add_handle(slot->multi, slot->easy) != CURLM_OK)
        abort();
    *cancelled = !drive(slot, watch);
    for (CURLMsg *message = curl_multi_info_read(slot->multi, &left); message != NULL && !*cancelled;
         message = curl_multi_info_read(slot->multi, &left))
        code = message->data.result;
    /* A transfer that is under way takes its connection with it. */
    (void)curl_multi_remove_handle(slot->multi, slot->easy);
    return code;
}

static bool was_sent(const struct http_slot *slot)
{
    long bytes = 0;
    (void)curl_easy_getinfo(slot->easy, CURLINFO_REQUEST_SIZE, &bytes);
    return bytes > 0;
}

/* Waits between two attempts to connect; false when cancelled meanwhile. */
static bool pause_ms(struct watch *watch, int64_t ms)
{
    struct pollfd fd = {.fd = watch->cancel_fd, .events = POLLIN};
    int ready = poll(&fd, 1, (int)ms); /* a descriptor of -1 is ignored */
    return !is_cancelled(watch, ready > 0);
}

/* Nobody listens (yet): an application that is just being restarted costs its messages no receive. */
static CURLcode attempt_until_connected(struct http_slot *slot, struct watch *watch, bool *cancelled)
{
    int64_t start_ms = clock_mono_ms();
    int64_t wait_ms = slot->options->connect_pause_ms;
    for (;;) {
        int64_t left_ms = start_ms + slot->options->connect_timeout_ms - clock_mono_ms();
        (void)curl_easy_setopt(slot->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(left_ms > 1 ? left_ms : 1));
        CURLcode code = attempt(slot, watch, cancelled);
        left_ms = start_ms + slot->options->connect_timeout_ms - clock_mono_ms();
        if (*cancelled || code != CURLE_COULDNT_CONNECT || was_sent(slot) || left_ms <= wait_ms)
            return code;
        *cancelled = !pause_ms(watch, wait_ms);
        if (*cancelled)
            return CURLE_ABORTED_BY_CALLBACK;
        if (wait_ms < 10 * slot->options->connect_pause_ms)
            wait_ms *= 2;
    }
}

/* ---- results ---- */

static void describe(const struct http_slot *slot, CURLcode code, enum http_end end, char *out, size_t size)
{
    const char *detail = slot->error[0] != '\0' ? slot->error : curl_easy_strerror(code);
    if (slot->sends > 1)
        detail = "a kept connection was closed without one";
    (void)snprintf(out, size, "%s: %s", end == HTTP_END_UNSENT ? "no connection" : "no complete reply",
                   detail);
}

static enum http_end end_of(const struct http_slot *slot, CURLcode code)
{
    if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && slot->answer.body_bytes > HTTP_ANSWER_BYTES_MAX))
        return HTTP_END_ANSWERED;
    return was_sent(slot) ? HTTP_END_LOST : HTTP_END_UNSENT;
}

void http_slot_post(struct http_slot *slot, const char *url, struct curl_slist *lines, const char *body,
                    size_t body_len, const struct sluice_context *context, struct http_result *ret_result)
{
    struct watch watch = {.context = context, .cancel_fd = context->cancel_fd(context)};
    bool cancelled = false;
    long status = 0;
    if (slot->url == NULL || strcmp(slot->url, url) != 0) {
        free(slot->url);
        slot->url = xstrdup(url);
        (void)curl_easy_setopt(slot->easy, CURLOPT_URL, url);
    }
    (void)curl_easy_setopt(slot->easy, CURLOPT_HTTPHEADER, lines);
    (void)curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDS, body);
    (void)curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body_len);
    CURLcode code = attempt_until_connected(slot, &watch, &cancelled);
    *ret_result = (struct http_result){.end = cancelled ? HTTP_END_CANCELLED : end_of(slot, code),
                                       .answer = &slot->answer};
    if (ret_result->end == HTTP_END_ANSWERED) {
        (void)curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
        ret_result->status = (int)status;
    } else if (!cancelled)
        describe(slot, code, ret_result->end, ret_result->problem, sizeof ret_result->problem);
    /* The caller's memory ends with this call. */
    (void)curl_easy_setopt(slot->easy, CURLOPT_HTTPHEADER, NULL);
    (void)curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDS, NULL);
}
