/* Work folder, programs and environment of a run on this machine; see sandbox.h. */
#include "supervisor/sandbox.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/strbuf.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

extern char **environ;

enum { ACCESS_KEY_LETTERS = 16, SECRET_LETTERS = 40, PATH_LETTERS_MAX = 4096, REMOVE_FDS = 16 };

int sandbox_random_letters(char *out, size_t len, struct err *err)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"; /* 32: every byte maps evenly */
    unsigned char bytes[64];

    if (len > sizeof bytes || getrandom(bytes, len, 0) != (ssize_t)len)
        return err_set(err, "getrandom: %s", strerror(errno));
    for (size_t i = 0; i < len; i++)
        out[i] = letters[bytes[i] % 32];
    out[len] = '\0';
    return 0;
}

char *sandbox_path(const char *folder, const char *name)
{
    struct strbuf path = STRBUF_INIT;

    strbuf_appendf(&path, "%s/%s", folder, name);
    return strbuf_take(&path);
}

static int find_programs(struct sandbox *sandbox, struct err *err)
{
    char self[PATH_LETTERS_MAX];
    static const char *const names[] = {"sluice-localaws", "sluice-worker"};
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

    if (len < 0)
        return err_set(err, "/proc/self/exe: %s", strerror(errno));
    self[len] = '\0';
    *strrchr(self, '/') = '\0';
    sandbox->program_dir = xstrdup(self);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = sandbox_path(self, names[i]);
        int rc = access(path, X_OK);
        if (rc != 0)
            rc = err_set(err, "%s: %s (it has to be beside sluice)", path, strerror(errno));
        free(path);
        if (rc != 0)
            return -1;
    }
    return 0;
}

static int make_folder(struct sandbox *sandbox, const char *name, struct err *err)
{
    const char *parent = getenv("TMPDIR");
    struct strbuf path = STRBUF_INIT;

    strbuf_appendf(&path, "%s/sluice-%s-XXXXXX", parent != NULL && *parent == '/' ? parent : "/tmp", name);
    char *folder = strbuf_take(&path);
    if (mkdtemp(folder) == NULL) {
        (void)err_set(err, "%s: %s", folder, strerror(errno));
        free(folder);
        return -1;
    }
    sandbox->folder = folder;
    return 0;
}

int sandbox_open(struct sandbox *sandbox, const char *name, struct err *err)
{
    *sandbox = (struct sandbox){.folder = NULL};
    return find_programs(sandbox, err) != 0 || make_folder(sandbox, name, err) != 0 ? -1 : 0;
}

/* Nothing of the user's own AWS or Sluice settings may reach what runs here, least of all credentials. */
static void clear_environment(void)
{
    static const char *const prefixes[] = {"AWS_", "SLUICE_", "SQS_", "PAYMENT_", "NUM_WORKERS="};

    for (char **at = environ; *at != NULL;) {
        bool ours = false;
        for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
            ours = ours || strncmp(*at, prefixes[i], strlen(prefixes[i])) == 0;
        const char *equals = strchr(*at, '=');
        if (!ours || equals == NULL) {
            at++;
            continue;
        }
        char *name = xstrndup(*at, (size_t)(equals - *at));
        (void)unsetenv(name); /* moves the rest of the list to here */
        free(name);
    }
}

int sandbox_set_environment(int64_t speed, struct err *err)
{
    char access_key[8 + ACCESS_KEY_LETTERS] = "AKIA", secret[SECRET_LETTERS + 1], scale[48];

    clear_environment();
    if (sandbox_random_letters(access_key + strlen(access_key), ACCESS_KEY_LETTERS, err) != 0 ||
        sandbox_random_letters(secret, SECRET_LETTERS, err) != 0)
        return -1;
    (void)snprintf(scale, sizeof scale, "%" PRId64 "@%" PRId64, speed, clock_wall_ms());
    (void)setenv("AWS_ACCESS_KEY_ID", access_key, 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", secret, 1);
    (void)setenv("AWS_REGION", SANDBOX_REGION, 1);
    (void)setenv("AWS_CONFIG_FILE", "/dev/null", 1);
    (void)setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null", 1);
    (void)setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    (void)setenv("SLUICE_LOG_FORMAT", "json", 1);
    (void)setenv("SLUICE_TIME_SCALE", scale, 1);
    return clock_init(err);
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *place)
{
    (void)stat;
    (void)type;
    (void)place;
    (void)remove(path);
    return 0;
}

void sandbox_close(struct sandbox *sandbox, bool keep)
{
    if (sandbox->folder != NULL && !keep)
        (void)nftw(sandbox->folder, remove_one, REMOVE_FDS, FTW_DEPTH | FTW_PHYS);
    free(sandbox->program_dir);
    free(sandbox->folder);
    *sandbox = (struct sandbox){.folder = NULL};
}
