/* What a demo needs before its first act: folder, environment, configuration. See demo.h. */
#include "supervisor/demo.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/file.h"
#include "base/jsonw.h"
#include "base/strbuf.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define MARK_NAME "SLUICE_DEMO_MARK"

extern char **environ;

enum {
    ACCESS_KEY_LETTERS = 16,
    SECRET_LETTERS = 40,
    MARK_LETTERS = 20,
    PATH_LETTERS_MAX = 4096,
    REMOVE_FDS = 16
};

static int random_letters(char *out, size_t len, struct err *err)
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

static char *join(const char *folder, const char *name)
{
    struct strbuf path = STRBUF_INIT;

    strbuf_appendf(&path, "%s/%s", folder, name);
    return strbuf_take(&path);
}

static int find_programs(struct demo_paths *paths, struct err *err)
{
    char self[PATH_LETTERS_MAX];
    static const char *const names[] = {"sluice-localaws", "sluice-worker"};
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

    if (len < 0)
        return err_set(err, "/proc/self/exe: %s", strerror(errno));
    self[len] = '\0';
    *strrchr(self, '/') = '\0';
    paths->program_dir = xstrdup(self);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = join(self, names[i]);
        int rc = access(path, X_OK);
        if (rc != 0)
            rc = err_set(err, "%s: %s (the demo needs it beside sluice)", path, strerror(errno));
        free(path);
        if (rc != 0)
            return -1;
    }
    return 0;
}

static int make_folder(struct demo_paths *paths, struct err *err)
{
    const char *parent = getenv("TMPDIR");
    char *folder = join(parent != NULL && *parent == '/' ? parent : "/tmp", "sluice-demo-XXXXXX");

    if (mkdtemp(folder) == NULL) {
        int saved = errno;
        (void)err_set(err, "%s: %s", folder, strerror(saved));
        free(folder);
        return -1;
    }
    paths->folder = folder;
    paths->config = join(folder, "fleet.json");
    paths->state_dir = join(folder, "state");
    paths->socket = join(folder, "admin.sock");
    paths->sent = join(folder, "sent.jsonl");
    paths->ledger = join(folder, "ledger");
    return 0;
}

/* Nothing of the user's own AWS or Sluice settings may reach the demo, least of all credentials. */
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

static int set_environment(struct demo *demo, struct err *err)
{
    char access_key[8 + ACCESS_KEY_LETTERS] = "AKIA", secret[SECRET_LETTERS + 1], scale[48];

    clear_environment();
    (void)snprintf(demo->mark, sizeof demo->mark, "%s=", MARK_NAME);
    if (random_letters(access_key + strlen(access_key), ACCESS_KEY_LETTERS, err) != 0 ||
        random_letters(secret, SECRET_LETTERS, err) != 0 ||
        random_letters(demo->mark + strlen(demo->mark), MARK_LETTERS, err) != 0)
        return -1;
    (void)snprintf(scale, sizeof scale, "%" PRId64 "@%" PRId64, demo->options.speed, clock_wall_ms());
    (void)setenv("AWS_ACCESS_KEY_ID", access_key, 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", secret, 1);
    (void)setenv("AWS_REGION", DEMO_REGION, 1);
    (void)setenv("AWS_CONFIG_FILE", "/dev/null", 1);
    (void)setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null", 1);
    (void)setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    (void)setenv("SLUICE_LOG_FORMAT", "json", 1);
    (void)setenv("SLUICE_TIME_SCALE", scale, 1);
    return clock_init(err);
}

int demo_setup(struct demo *demo, struct err *err)
{
    if (find_programs(&demo->paths, err) != 0 || make_folder(&demo->paths, err) != 0)
        return -1;
    return set_environment(demo, err);
}

static void write_duration(struct jsonw *w, const char *key, int64_t ms)
{
    char text[48];

    jsonw_key_str(w, key, duration_format(ms, text));
}

static void write_number_text(struct jsonw *w, const char *key, int64_t number)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%" PRId64, number);
    jsonw_key_str(w, key, text);
}

static void write_worker(const struct demo *demo, struct jsonw *w)
{
    char *program = join(demo->paths.program_dir, "sluice-worker");
    const char *const command[] = {program, "--handler", "payment", "--ledger", demo->paths.ledger};

    jsonw_key(w, "fleet");
    jsonw_object(w);
    jsonw_key_str(w, "type", "local");
    jsonw_key(w, "command");
    jsonw_array(w);
    for (size_t i = 0; i < sizeof command / sizeof command[0]; i++)
        jsonw_str(w, command[i]);
    jsonw_end_array(w);
    jsonw_key(w, "env");
    jsonw_object(w);
    write_number_text(w, "NUM_WORKERS", demo->options.threads);
    write_number_text(w, "PAYMENT_SLOTS", demo->options.slots);
    write_duration(w, "PAYMENT_TIME", demo->options.payment_time);
    jsonw_key_str(w, MARK_NAME, strchr(demo->mark, '=') + 1);
    jsonw_end_object(w);
    jsonw_key_str(w, "stop_grace", "30s");
    jsonw_end_object(w);
    free(program);
}

int demo_setup_write_config(const struct demo *demo, struct err *err)
{
    struct strbuf text = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&text);

    jsonw_object(&w);
    jsonw_key_str(&w, "region", DEMO_REGION);
    jsonw_key_str(&w, "state_dir", demo->paths.state_dir);
    jsonw_key(&w, "admin");
    jsonw_object(&w);
    jsonw_key_str(&w, "socket", demo->paths.socket);
    jsonw_end_object(&w);
    jsonw_key(&w, "fleets");
    jsonw_array(&w);
    jsonw_object(&w);
    jsonw_key_str(&w, "name", "orders");
    jsonw_key(&w, "queue");
    jsonw_object(&w);
    jsonw_key_str(&w, "url", demo->queue.url);
    jsonw_key_str(&w, "poll", "5s");
    jsonw_end_object(&w);
    jsonw_key(&w, "capacity");
    jsonw_object(&w);
    jsonw_key_int(&w, "min", demo->options.min);
    jsonw_key_int(&w, "target", demo->options.target);
    jsonw_key_int(&w, "max", demo->options.max);
    jsonw_end_object(&w);
    /* The source's rule, spelled out although these are the defaults. */
    jsonw_key(&w, "policy");
    jsonw_object(&w);
    jsonw_key_str(&w, "type", "threshold");
    jsonw_key_int(&w, "scale_out_above", 20);
    jsonw_key_int(&w, "scale_in_below", 5);
    jsonw_key_str(&w, "scale_in_after", "5m");
    jsonw_key_str(&w, "cooldown", "60s");
    jsonw_end_object(&w);
    write_worker(demo, &w);
    jsonw_end_object(&w);
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    strbuf_append_char(&text, '\n');
    int rc = file_write_atomic(demo->paths.config, text.data, text.len, 0600, err);
    strbuf_clean_up(&text);
    return rc != 0 ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *place)
{
    (void)stat;
    (void)type;
    (void)place;
    (void)remove(path);
    return 0;
}

void demo_setup_clean_up(struct demo *demo)
{
    struct demo_paths *paths = &demo->paths;

    if (paths->folder != NULL && !demo->options.keep)
        (void)nftw(paths->folder, remove_one, REMOVE_FDS, FTW_DEPTH | FTW_PHYS);
    free(paths->program_dir);
    free(paths->folder);
    free(paths->config);
    free(paths->state_dir);
    free(paths->socket);
    free(paths->sent);
    free(paths->ledger);
    *paths = (struct demo_paths){.folder = NULL};
}
