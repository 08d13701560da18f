/* Options of all libcurl handles; see http_easy.h. */
#include "aws/http_easy.h"

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

void http_easy_set_up(CURL *easy)
{
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
#if LIBCURL_VERSION_NUM >= 0x075500
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
    /* The resolver runs in a thread; without this the end of a request, or its cancellation, waits for it. */
    (void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
}

/* So many hashed names make a folder the system's store; a few are somebody's own beside the bundle. */
enum { HASHED_MIN = 24 };

/* Whether a folder holds certificates under their hashes ("a1b2c3d4.0"), as OpenSSL looks them up one by one.
 */
static bool is_hashed_folder(const char *path)
{
    DIR *folder = opendir(path);
    int found = 0;
    if (folder == NULL)
        return false;
    for (struct dirent *entry = readdir(folder); entry != NULL && found < HASHED_MIN; entry = readdir(folder))
        found += strspn(entry->d_name, "0123456789abcdef") == 8 && strcmp(entry->d_name + 8, ".0") == 0;
    (void)closedir(folder);
    return found >= HASHED_MIN;
}

/* The system's folder of certificates under their hashes; NULL: there is none. */
static const char *hashed_folder(void)
{
    static const char *const FOLDERS[] = {"/etc/ssl/certs", "/etc/pki/ca-trust/extracted/pem/directory-hash",
                                          "/etc/openssl/certs"};
    for (size_t i = 0; i < sizeof FOLDERS / sizeof FOLDERS[0]; i++)
        if (is_hashed_folder(FOLDERS[i]))
            return FOLDERS[i];
    return NULL;
}

void http_easy_set_up_tls(CURL *easy, const char *authorities)
{
    bool given = authorities != NULL && authorities[0] != '\0';
    struct stat info;
    bool is_folder = !given || (stat(authorities, &info) == 0 && S_ISDIR(info.st_mode));
    const char *path = given ? authorities : hashed_folder();
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (path == NULL)
        return; /* libcurl's own default */
    (void)curl_easy_setopt(easy, CURLOPT_CAINFO, is_folder ? NULL : path);
    (void)curl_easy_setopt(easy, CURLOPT_CAPATH, is_folder ? path : NULL);
}
