/* A web application that does nothing, fast: 200 for every POST, a thread for each connection. Prints its
 * port. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

static const char OK[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/* Bytes of the first request in the buffer, 0 when it is not complete. */
static size_t request_len(const char *buffer, size_t used)
{
    const char *end = memmem(buffer, used, "\r\n\r\n", 4);
    const char *length = end != NULL ? strcasestr(buffer, "\r\nContent-Length:") : NULL;
    size_t len = length != NULL ? (size_t)(end + 4 - buffer) + strtoul(length + 17, NULL, 10) : 0;
    return len <= used ? len : 0;
}

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buffer[65536];
    size_t used = 0;
    for (ssize_t n = 1; n > 0;) {
        n = read(fd, buffer + used, sizeof buffer - 1 - used);
        used += n > 0 ? (size_t)n : 0;
        buffer[used] = '\0';
        for (size_t len = request_len(buffer, used); len > 0; len = request_len(buffer, used)) {
            memmove(buffer, buffer + len, used - len + 1);
            used -= len;
            if (write(fd, OK, sizeof OK - 1) < 0)
                n = -1;
        }
    }
    (void)close(fd);
    return NULL;
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1024) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return 1;
    (void)printf("%d\n", ntohs(address.sin_port));
    (void)fflush(stdout);
    for (;;) {
        pthread_t thread;
        int client = accept(fd, NULL, NULL);
        if (client >= 0 && pthread_create(&thread, NULL, serve, (void *)(intptr_t)client) == 0)
            (void)pthread_detach(thread);
    }
}
