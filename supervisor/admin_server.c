/* HTTP on the admin socket; see admin_server.h. */
#include "supervisor/admin_server.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 64, FDS_KEPT_FREE = 32 };

struct admin_server {
    struct status_server *http;
    char *path;   /* owned; NULL: adopted */
    dev_t device; /* of our socket, to know it from a successor's */
    ino_t inode;
};

static int fill_address(const char *path, struct sockaddr_un *address, struct err *err)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address->sun_path) {
        (void)err_set(err, "admin socket %s: the path is too long", path);
        return -ENAMETOOLONG;
    }
    (void)snprintf(address->sun_path, sizeof address->sun_path, "%s", path);
    return 0;
}

/* Makes way for our socket: 0 when the path is free now. */
static int remove_stale(const struct sockaddr_un *address, struct err *err)
{
    struct stat info;
    const char *path = address->sun_path;
    if (lstat(path, &info) != 0) {
        if (errno == ENOENT)
            return 0;
        (void)err_set(err, "admin socket %s: %s", path, strerror(errno));
        return -EIO;
    }
    if (!S_ISSOCK(info.st_mode)) {
        (void)err_set(err, "admin socket %s: something that is no socket is there", path);
        return -EEXIST;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rc = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : -errno;
    (void)close(fd);
    /* EAGAIN: its backlog is full, so somebody is there, if busy. */
    if (rc != -ECONNREFUSED && rc != -ENOENT) {
        (void)err_set(err, "admin socket %s: another supervisor answers on it", path);
        return -EBUSY;
    }
    (void)unlink(path);
    return 0;
}

static int listen_on(const char *path, int *ret_fd, struct err *err)
{
    struct sockaddr_un address;
    int rc = fill_address(path, &address, err);
    if (rc == 0)
        rc = remove_stale(&address, err);
    if (rc != 0)
        return rc;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* The mode is set by the umask, so that there is no moment with a wider one. */
    mode_t before = umask(0117);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, BACKLOG) != 0)
        rc = -errno;
    (void)umask(before);
    if (rc == 0) {
        *ret_fd = fd;
        return 0;
    }
    (void)err_set(err, "admin socket %s: %s", path, strerror(-rc));
    if (fd >= 0)
        (void)close(fd);
    return rc;
}

struct admin_server *admin_server_adopt(struct event_base *base, int fd, const struct status_route *routes,
                                        void *arg)
{
    struct admin_server *server = xcalloc(1, sizeof *server);
    struct status_server_options options = {
        .name = "admin socket", .routes = routes, .arg = arg, .fds_kept_free = FDS_KEPT_FREE};
    server->http = status_server_new(base, fd, &options);
    return server;
}

int admin_server_new(struct event_base *base, const char *path, const struct status_route *routes, void *arg,
                     struct admin_server **ret_server, struct err *err)
{
    int fd = -1;
    int rc = listen_on(path, &fd, err);
    if (rc != 0)
        return rc;
    struct admin_server *server = admin_server_adopt(base, fd, routes, arg);
    server->path = xstrdup(path);
    struct stat info;
    if (lstat(path, &info) == 0) {
        server->device = info.st_dev;
        server->inode = info.st_ino;
    }
    *ret_server = server;
    return 0;
}

bool admin_server_is_linked(const struct admin_server *server)
{
    struct stat info;
    if (server->path == NULL)
        return true;
    return lstat(server->path, &info) == 0 && info.st_dev == server->device && info.st_ino == server->inode;
}

void admin_server_destroy(struct admin_server *server)
{
    if (server == NULL)
        return;
    if (server->path != NULL && admin_server_is_linked(server))
        (void)unlink(server->path);
    status_server_destroy(server->http);
    free(server->path);
    free(server);
}
