/* Looks at the queue and at the process; see measure_watch.h. */
#include "supervisor/measure_watch.h"

#include "base/file.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { TIMEOUT_REAL_MS = 5000, REPLY_MAX_BYTES = 4 * 1024 * 1024, STATUS_MAX_BYTES = 64 * 1024 };

static size_t on_bytes(char *bytes, size_t size, size_t count, void *arg)
{
    struct strbuf *out = arg;

    if (out->len + size * count > REPLY_MAX_BYTES)
        return 0;
    strbuf_append(out, bytes, size * count);
    return size * count;
}

int measure_watch_init(struct measure_watch *watch, const char *endpoint, struct err *err)
{
    struct strbuf url = STRBUF_INIT;
    CURL *curl = curl_easy_init();

    *watch = (struct measure_watch){.curl = curl};
    if (curl == NULL)
        return err_set(err, "cannot start a request: out of memory");
    strbuf_appendf(&url, "%s/_localaws/stats", endpoint);
    (void)curl_easy_setopt(curl, CURLOPT_URL, strbuf_str(&url));
    (void)curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_REAL_MS);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &watch->reply);
    strbuf_clean_up(&url);
    return 0;
}

void measure_watch_clean_up(struct measure_watch *watch)
{
    if (watch->curl != NULL)
        curl_easy_cleanup(watch->curl);
    strbuf_clean_up(&watch->reply);
    *watch = (struct measure_watch){.curl = NULL};
}

int measure_watch_queue(struct measure_watch *watch, const char *queue, struct measure_queue *ret_queue,
                        struct err *err)
{
    long status = 0;

    strbuf_clear(&watch->reply);
    CURLcode code = curl_easy_perform(watch->curl);
    (void)curl_easy_getinfo(watch->curl, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK)
        return err_set(err, "the local endpoint's statistics: %s", curl_easy_strerror(code));
    if (status != 200)
        return err_set(err, "the local endpoint's statistics: HTTP %ld", status);
    return measure_parse_stats(watch->reply.data, watch->reply.len, queue, ret_queue, err);
}

int measure_parse_stats(const char *json, size_t len, const char *queue, struct measure_queue *ret_queue,
                        struct err *err)
{
    json_error_t error;
    json_t *root = json_loadb(json, len, 0, &error);
    json_int_t t_ms, visible, in_flight, delayed, sent, received, deleted, first_us, last_us;

    if (root == NULL)
        return err_set(err, "statistics: no JSON: %s", error.text);
    json_t *found = json_object_get(json_object_get(root, "queues"), queue);
    int rc = found == NULL ? err_set(err, "statistics: no queue %s", queue) : 0;
    if (rc == 0 &&
        (json_unpack_ex(root, &error, 0, "{s:I}", "t_ms", &t_ms) != 0 ||
         json_unpack_ex(found, &error, 0, "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "visible", &visible,
                        "in_flight", &in_flight, "delayed", &delayed, "sent", &sent, "received", &received,
                        "deleted", &deleted, "first_receive_us", &first_us, "last_delete_us", &last_us) != 0))
        rc = err_set(err, "statistics of queue %s: %s", queue, error.text);
    if (rc == 0)
        *ret_queue = (struct measure_queue){.t_ms = t_ms,
                                            .visible = visible,
                                            .in_flight = in_flight,
                                            .delayed = delayed,
                                            .sent = sent,
                                            .received = received,
                                            .deleted = deleted,
                                            .first_receive_us = first_us,
                                            .last_delete_us = last_us};
    json_decref(root);
    return rc != 0 ? -1 : 0;
}

/* The number behind "Name:" at the start of a line of /proc/PID/status, -1 when it is not there. */
static int64_t status_number(const char *text, const char *name)
{
    for (const char *line = text; line != NULL && *line != '\0';) {
        int64_t value;
        size_t len = strlen(name);
        if (strncmp(line, name, len) == 0 && sscanf(line + len, ": %" SCNd64, &value) == 1)
            return value;
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    return -1;
}

void measure_parse_status(const char *text, struct measure_process *process)
{
    int64_t rss_kb = status_number(text, "VmHWM"); /* peak resident set of this program, proc(5) */
    int64_t threads = status_number(text, "Threads");

    if (rss_kb < 0)
        return; /* a zombie has no memory, and its threads are gone */
    if (rss_kb > process->peak_rss_kb)
        process->peak_rss_kb = rss_kb;
    if (threads > process->threads)
        process->threads = threads;
}

void measure_watch_process(pid_t pid, struct measure_process *process)
{
    struct strbuf text = STRBUF_INIT;
    char path[64];

    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    if (file_read(path, STATUS_MAX_BYTES, &text, NULL) == 0)
        measure_parse_status(strbuf_str(&text), process);
    strbuf_clean_up(&text);
}
