/* HTTP to the admin socket; see admin_client.h. */
#include "supervisor/admin_client.h"

#include <curl/curl.h>
#include <string.h>

enum { TIMEOUT_MS = 10000, REPLY_MAX_BYTES = 64 * 1024 * 1024 };

static size_t on_bytes(char *bytes, size_t size, size_t count, void *arg)
{
    struct strbuf *out = arg;
    if (out->len + size * count > REPLY_MAX_BYTES)
        return 0;
    strbuf_append(out, bytes, size * count);
    return size * count;
}

int admin_client_get(const char *socket_path, const char *path, struct strbuf *out, struct err *err)
{
    struct strbuf url = STRBUF_INIT;
    char error[CURL_ERROR_SIZE] = "";
    long code = 0;
    int rc = 0;
    CURL *curl = curl_easy_init();
    if (curl == NULL)
        return err_set(err, "cannot start a request: out of memory");
    /* The host is only a name here: the socket decides who is asked. */
    strbuf_appendf(&url, "http://localhost%s", path);
    (void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket_path);
    (void)curl_easy_setopt(curl, CURLOPT_URL, strbuf_str(&url));
    (void)curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
    CURLcode status = curl_easy_perform(curl);
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
    /* curl's own words for this would speak of the host's name, which stands for nothing here. */
    long code_of_system = 0;
    (void)curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &code_of_system);
    if (status == CURLE_COULDNT_CONNECT)
        rc = err_set(err, "no supervisor answers on %s: %s", socket_path,
                     code_of_system != 0 ? strerror((int)code_of_system) : "cannot connect");
    else if (status != CURLE_OK)
        rc = err_set(err, "no supervisor answers on %s: %s", socket_path,
                     error[0] != '\0' ? error : curl_easy_strerror(status));
    else if (code != 200)
        rc = err_set(err, "the supervisor on %s answers HTTP %ld to %s", socket_path, code, path);
    curl_easy_cleanup(curl);
    strbuf_clean_up(&url);
    return rc;
}
