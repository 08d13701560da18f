/*
 * What every libcurl handle of ours is told, whoever drives it: HTTP/1.1 and nothing else, POST, no
 * redirects, no signals, and TLS that is always verified. Thread-safe, for handles of the caller's own.
 */
#ifndef SLUICE_AWS_HTTP_EASY_H
#define SLUICE_AWS_HTTP_EASY_H

#include <curl/curl.h>

void http_easy_set_up(CURL *easy);

/* Sets up TLS with the certificate authorities of a file or folder (hashed, CURLOPT_CAPATH), of which curl
 * copies the path; NULL or "": the system's. The system's hashed folder is used where there is one: it is
 * loaded lazily, and the one big bundle that is libcurl's default would be parsed whole at the first
 * connection of every process (30 ms and 2 MB). Looks at the file system: once a handle. */
void http_easy_set_up_tls(CURL *easy, const char *authorities);

#endif
