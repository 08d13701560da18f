/* What a supervisor leaves on disk: journal, state file, worker records. Real files in a folder of the test's
 * own. */
#include "tests/unit/unit.h"

#include "base/child.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "supervisor/journal.h"
#include "supervisor/orphans.h"
#include "supervisor/state_file.h"

#include <event2/event.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char g_dir[64];

static void make_dir(void)
{
    (void)snprintf(g_dir, sizeof g_dir, "/tmp/sluice-files-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(g_dir));
    log_init("test", LOG_LEVEL_MAX, LOG_PLAIN); /* failures are made on purpose here */
}

static void remove_dir(void)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", g_dir);
    ck_assert_int_eq(system(command), 0);
}

static char *path_of(const char *name)
{
    static char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", g_dir, name);
    return path;
}

static char *tmp_of(const char *name)
{
    static char path[256];
    (void)snprintf(path, sizeof path, "%s/%s.tmp", g_dir, name);
    return path;
}

static struct controller *make_controller(void)
{
    struct controller_config config;
    struct err err = {.text = ""};
    ck_assert_int_eq(controller_config_parse(NULL, NULL, 5000, "fleets[0]", &config, &err), 0);
    struct controller *controller = controller_new(&config);
    controller_config_clean_up(&config);
    return controller;
}

static const int64_t START_MS = 1800000000000;

/* One step with this depth at the i-th poll, journaled. */
static void step(struct journal *journal, struct controller *controller, int i, int64_t visible)
{
    struct observation obs;
    struct decision decision;
    int64_t now_ms = START_MS + (int64_t)i * 5000;
    observation_init(&obs);
    reading_set(&obs.visible, visible, now_ms);
    reading_set(&obs.in_flight, 0, now_ms);
    journal_before_step(journal, now_ms);
    controller_step(controller, &obs, now_ms, &decision);
    journal_after_step(journal, &decision);
}

struct journal_facts {
    int configs, decisions;
    bool config_first;
    json_int_t first_seq, last_seq;
};

/* Reads a journal file: every line must be JSON. */
static struct journal_facts read_journal(const char *name)
{
    struct journal_facts facts = {0};
    struct strbuf text = STRBUF_INIT;
    char *save = NULL;
    ck_assert_int_eq(file_read(path_of(name), 1 << 24, &text, NULL), 0);
    ck_assert_int_eq(text.data[text.len - 1], '\n');
    for (char *line = strtok_r(text.data, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        json_t *record = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        ck_assert_msg(record != NULL, "no JSON: %s", line);
        if (json_object_get(record, "config") != NULL) {
            facts.config_first = facts.config_first || facts.decisions == 0;
            facts.configs++;
        } else {
            json_int_t seq = json_integer_value(json_object_get(record, "seq"));
            ck_assert_int_gt(seq, facts.last_seq);
            facts.first_seq = facts.decisions == 0 ? seq : facts.first_seq;
            facts.last_seq = seq;
            facts.decisions++;
        }
        json_decref(record);
    }
    strbuf_clean_up(&text);
    return facts;
}

START_TEST(a_journal_opens_with_a_config_record_and_has_every_decision)
{
    make_dir();
    struct journal journal;
    struct controller *controller = make_controller();
    journal_init(&journal, g_dir, "orders", controller, JOURNAL_ALL);
    for (int i = 0; i < 10; i++)
        step(&journal, controller, i, i * 100);
    ck_assert_uint_eq(journal.records, 10);
    ck_assert_uint_eq(journal.failures, 0);
    journal_clean_up(&journal);
    struct journal_facts facts = read_journal("orders.journal.jsonl");
    ck_assert(facts.config_first);
    ck_assert_int_eq(facts.configs, 1);
    ck_assert_int_eq(facts.decisions, 10);
    /* A later supervisor appends, and says first what it starts from. */
    journal_init(&journal, g_dir, "orders", controller, JOURNAL_ALL);
    step(&journal, controller, 10, 0);
    journal_clean_up(&journal);
    facts = read_journal("orders.journal.jsonl");
    ck_assert_int_eq(facts.configs, 2);
    ck_assert_int_eq(facts.decisions, 11);
    controller_destroy(controller);
    remove_dir();
}
END_TEST

START_TEST(full_files_rotate_and_the_oldest_goes)
{
    make_dir();
    struct journal journal;
    struct controller *controller = make_controller();
    journal_init(&journal, g_dir, "orders", controller, JOURNAL_ALL);
    journal.max_bytes = 20000;
    journal.files = 3;
    for (int i = 0; i < 200; i++)
        step(&journal, controller, i, 10);
    ck_assert_uint_eq(journal.records, 200);
    journal_clean_up(&journal);
    static const char *const NAMES[] = {"orders.journal.jsonl", "orders.journal.jsonl.1",
                                        "orders.journal.jsonl.2"};
    json_int_t next = 200;
    for (int i = 0; i < 3; i++) {
        struct journal_facts facts = read_journal(NAMES[i]);
        ck_assert(facts.config_first);
        ck_assert_int_eq(facts.configs, 1);
        ck_assert_int_eq(facts.last_seq, next);
        ck_assert_int_eq(facts.last_seq - facts.first_seq + 1, facts.decisions);
        next = facts.first_seq - 1;
    }
    ck_assert_int_ne(access(path_of("orders.journal.jsonl.3"), F_OK), 0);
    controller_destroy(controller);
    remove_dir();
}
END_TEST

START_TEST(a_rotated_file_replays_alone_to_the_same_decisions)
{
    make_dir();
    struct journal journal;
    struct controller *controller = make_controller();
    journal_init(&journal, g_dir, "orders", controller, JOURNAL_ALL);
    journal.max_bytes = 20000;
    for (int i = 0; i < 60; i++)
        step(&journal, controller, i, (i * 37) % 900);
    journal_clean_up(&journal);
    struct strbuf text = STRBUF_INIT;
    struct err err = {.text = ""};
    char *save = NULL;
    int compared = 0;
    ck_assert_int_eq(file_read(path_of("orders.journal.jsonl"), 1 << 24, &text, NULL), 0);
    json_t *first = json_loads(strtok_r(text.data, "\n", &save), 0, NULL);
    struct controller *again = controller_new_from_record(first, &err);
    ck_assert_msg(again != NULL, "%s", err.text);
    for (char *line = strtok_r(NULL, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        json_t *record = json_loads(line, 0, NULL);
        struct decision was;
        struct decision is;
        struct strbuf out = STRBUF_INIT;
        struct jsonw w = JSONW_INIT(&out);
        ck_assert_int_eq(decision_parse_json(record, &was, &err), 0);
        controller_step(again, &was.obs, was.t_ms, &is);
        decision_encode_json(&is, &w);
        ck_assert_str_eq(strbuf_str(&out), line);
        compared++;
        strbuf_clean_up(&out);
        json_decref(record);
    }
    ck_assert_int_gt(compared, 3);
    json_decref(first);
    strbuf_clean_up(&text);
    controller_destroy(again);
    controller_destroy(controller);
    remove_dir();
}
END_TEST

START_TEST(changes_alone_are_written_when_so_configured_and_nothing_when_off)
{
    make_dir();
    struct journal journal;
    struct controller *controller = make_controller();
    journal_init(&journal, g_dir, "orders", controller, JOURNAL_CHANGES);
    for (int i = 0; i < 5; i++)
        step(&journal, controller, i, i == 3 ? 5000 : 10);
    ck_assert_uint_eq(journal.records, 1);
    journal_clean_up(&journal);
    ck_assert_int_eq(read_journal("orders.journal.jsonl").decisions, 1);
    journal_init(&journal, g_dir, "none", controller, JOURNAL_OFF);
    step(&journal, controller, 6, 5000);
    journal_clean_up(&journal);
    ck_assert_int_ne(access(path_of("none.journal.jsonl"), F_OK), 0);
    controller_destroy(controller);
    remove_dir();
}
END_TEST

START_TEST(each_change_alone_replays_from_the_record_before_it)
{
    make_dir();
    struct journal journal;
    struct controller *controller = make_controller();
    struct err err = {.text = ""};
    struct strbuf text = STRBUF_INIT;
    char *save = NULL;
    int compared = 0;
    journal_init(&journal, g_dir, "orders", controller, JOURNAL_CHANGES);
    for (int i = 0; i < 400; i++)
        step(&journal, controller, i, i % 200 < 5 ? 25 : 0);
    journal_clean_up(&journal);
    ck_assert_int_eq(file_read(path_of("orders.journal.jsonl"), 1 << 24, &text, NULL), 0);
    for (char *line = strtok_r(text.data, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        json_t *config = json_loads(line, 0, NULL);
        struct controller *again = controller_new_from_record(config, &err);
        ck_assert_msg(again != NULL, "%s", err.text);
        line = strtok_r(NULL, "\n", &save);
        json_t *record = json_loads(line, 0, NULL);
        struct decision was;
        struct decision is;
        struct strbuf out = STRBUF_INIT;
        struct jsonw w = JSONW_INIT(&out);
        ck_assert_int_eq(decision_parse_json(record, &was, &err), 0);
        controller_step(again, &was.obs, was.t_ms, &is);
        decision_encode_json(&is, &w);
        ck_assert_str_eq(strbuf_str(&out), line);
        compared++;
        strbuf_clean_up(&out);
        json_decref(record);
        json_decref(config);
        controller_destroy(again);
    }
    ck_assert_int_gt(compared, 3);
    strbuf_clean_up(&text);
    controller_destroy(controller);
    remove_dir();
}
END_TEST

START_TEST(a_journal_that_was_deleted_is_begun_anew)
{
    make_dir();
    struct journal journal;
    struct controller *controller = make_controller();
    journal_init(&journal, g_dir, "orders", controller, JOURNAL_ALL);
    step(&journal, controller, 0, 10);
    ck_assert_int_eq(unlink(path_of("orders.journal.jsonl")), 0);
    step(&journal, controller, 1, 10);
    journal_clean_up(&journal);
    struct journal_facts facts = read_journal("orders.journal.jsonl");
    ck_assert(facts.config_first);
    ck_assert_int_eq(facts.first_seq, 2);
    controller_destroy(controller);
    remove_dir();
}
END_TEST

START_TEST(a_full_disk_is_counted_and_the_journal_goes_on_when_there_is_room)
{
    make_dir();
    struct journal journal;
    struct controller *controller = make_controller();
    journal_init(&journal, g_dir, "orders", controller, JOURNAL_ALL);
    step(&journal, controller, 0, 10);
    int good_fd = journal.fd;
    journal.fd = open("/dev/full", O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(journal.fd, 0);
    step(&journal, controller, 1, 10);
    step(&journal, controller, 2, 10);
    ck_assert_uint_eq(journal.failures, 2);
    ck_assert_ptr_nonnull(strstr(journal.last_error.text, "No space left on device"));
    (void)close(journal.fd);
    journal.fd = good_fd;
    step(&journal, controller, 3, 10);
    ck_assert_uint_eq(journal.records, 2);
    journal_clean_up(&journal);
    /* The chain was broken, so a config record tells from where it goes on. */
    struct journal_facts facts = read_journal("orders.journal.jsonl");
    ck_assert_int_eq(facts.configs, 2);
    ck_assert_int_eq(facts.decisions, 2);
    ck_assert_int_eq(facts.last_seq, 4);
    controller_destroy(controller);
    remove_dir();
}
END_TEST

START_TEST(a_torn_last_line_is_cut_off)
{
    make_dir();
    static const char *const TAILS[] = {"{\"v\":1,\"seq\":99,", "x"};
    for (size_t i = 0; i < 2; i++) {
        struct journal journal;
        struct controller *controller = make_controller();
        journal_init(&journal, g_dir, "orders", controller, JOURNAL_ALL);
        step(&journal, controller, 0, 10);
        (void)!write(journal.fd, TAILS[i], strlen(TAILS[i]));
        journal_clean_up(&journal);
        journal_init(&journal, g_dir, "orders", controller, JOURNAL_ALL);
        step(&journal, controller, 1, 10);
        journal_clean_up(&journal);
        ck_assert_int_eq(read_journal("orders.journal.jsonl").decisions, 2);
        (void)unlink(path_of("orders.journal.jsonl"));
        controller_destroy(controller);
    }
    remove_dir();
}
END_TEST

START_TEST(a_folder_that_is_gone_stops_no_step)
{
    make_dir();
    remove_dir();
    struct journal journal;
    struct controller *controller = make_controller();
    journal_init(&journal, g_dir, "orders", controller, JOURNAL_ALL);
    for (int i = 0; i < 3; i++)
        step(&journal, controller, i, 5000);
    ck_assert_uint_eq(journal.failures, 3);
    ck_assert_int_eq(controller_desired(controller), controller_config(controller)->capacity.max);
    journal_clean_up(&journal);
    controller_destroy(controller);
}
END_TEST

START_TEST(a_saved_state_comes_back)
{
    make_dir();
    struct err err = {.text = ""};
    struct controller *controller = make_controller();
    ck_assert_int_eq(state_file_load(g_dir, "orders", controller, &err), STATE_FILE_NONE);
    ck_assert_int_eq(controller_adopt(controller, 17), 17);
    struct strbuf written = STRBUF_INIT;
    ck_assert_int_eq(
        state_file_save(g_dir, "orders", controller, START_MS, STATE_FILE_SYNCED, &written, &err), 0);
    strbuf_clean_up(&written);
    controller_destroy(controller);
    controller = make_controller();
    ck_assert_int_eq(state_file_load(g_dir, "orders", controller, &err), STATE_FILE_RESTORED);
    ck_assert_int_eq(controller_desired(controller), 17);
    struct stat info;
    ck_assert_int_eq(stat(path_of("orders.state.json"), &info), 0);
    ck_assert_uint_eq(info.st_mode & 0777, 0600);
    controller_destroy(controller);
    remove_dir();
}
END_TEST

static struct stat stat_of(const char *name)
{
    struct stat info;
    ck_assert_int_eq(stat(path_of(name), &info), 0);
    return info;
}

static int64_t saved_at_ms(const char *name)
{
    json_t *state = json_load_file(path_of(name), 0, NULL);
    int64_t at_ms = json_integer_value(json_object_get(state, "saved_at_ms"));
    json_decref(state);
    return at_ms;
}

START_TEST(a_lazy_save_writes_news_alone_and_a_synced_one_always)
{
    make_dir();
    struct err err = {.text = ""};
    struct strbuf written = STRBUF_INIT;
    struct controller *controller = make_controller();
    const char *name = "orders.state.json";
    ck_assert_int_eq(state_file_save(g_dir, "orders", controller, START_MS, STATE_FILE_LAZY, &written, &err),
                     0);
    ino_t first = stat_of(name).st_ino;
    int keeps_number = open(path_of(name), O_RDONLY | O_CLOEXEC); /* so that it is not used again */
    ck_assert_int_eq(
        state_file_save(g_dir, "orders", controller, START_MS + 1, STATE_FILE_LAZY, &written, &err), 0);
    ck_assert_int_eq(saved_at_ms(name), START_MS);
    ck_assert_int_eq(
        state_file_save(g_dir, "orders", controller, START_MS + 2, STATE_FILE_SYNCED, &written, &err), 0);
    ck_assert_int_eq(saved_at_ms(name), START_MS + 2);
    ino_t second = stat_of(name).st_ino;
    ck_assert_uint_ne(second, first);
    ck_assert_int_eq(controller_adopt(controller, 9), 9);
    ck_assert_int_eq(
        state_file_save(g_dir, "orders", controller, START_MS + 3, STATE_FILE_LAZY, &written, &err), 0);
    ck_assert_uint_eq(stat_of(name).st_ino, second); /* over the old one: as long, and one write */
    ck_assert_int_eq(saved_at_ms(name), START_MS + 3);
    ck_assert_int_eq(stat_of(name).st_size % 512, 0);
    struct controller *read = make_controller();
    ck_assert_int_eq(state_file_load(g_dir, "orders", read, &err), STATE_FILE_RESTORED);
    ck_assert_int_eq(controller_desired(read), 9);
    controller_destroy(read);
    ck_assert_int_eq(truncate(path_of(name), 100), 0); /* not ours any more: a new one */
    ck_assert_int_eq(controller_adopt(controller, 8), 8);
    ck_assert_int_eq(
        state_file_save(g_dir, "orders", controller, START_MS + 4, STATE_FILE_LAZY, &written, &err), 0);
    ck_assert_uint_ne(stat_of(name).st_ino, second);
    ck_assert_int_eq(stat_of(name).st_size % 512, 0);
    (void)close(keeps_number);
    strbuf_clean_up(&written);
    controller_destroy(controller);
    remove_dir();
}
END_TEST

START_TEST(a_bad_state_file_that_cannot_be_put_aside_is_told_apart)
{
    make_dir();
    struct err err = {.text = ""};
    struct controller *controller = make_controller();
    ck_assert_int_eq(file_write_atomic(path_of("orders.state.json"), "{", 1, 0600, &err), 0);
    /* A folder of that name cannot be renamed over. */
    ck_assert_int_eq(mkdir(path_of("orders.state.json.bad"), 0700), 0);
    ck_assert_int_eq(state_file_load(g_dir, "orders", controller, &err), STATE_FILE_STUCK);
    ck_assert_ptr_nonnull(strstr(err.text, "rename to "));
    ck_assert_int_eq(stat_of("orders.state.json").st_size, 1);
    controller_destroy(controller);
    remove_dir();
}
END_TEST

START_TEST(a_state_file_of_no_use_is_kept_aside_and_changes_nothing)
{
    static const char *const BAD[][2] = {
        {"", "'[' or '{' expected"},
        {"{\"v\":1,\"controller\":{\"version\":1}", "'}' expected"},
        {"{\"v\":2,\"controller\":{}}", "written by a newer sluice, this one reads up to 1"},
        {"{\"controller\":{}}", "v: missing"},
        {"{\"v\":1}", "controller: missing"},
        {"{\"v\":1,\"controller\":{\"version\":999}}", ""},
        {"[1,2]", "v: missing"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct err err = {.text = ""};
        make_dir();
        struct controller *controller = make_controller();
        ck_assert_int_eq(
            file_write_atomic(path_of("orders.state.json"), BAD[i][0], strlen(BAD[i][0]), 0600, &err), 0);
        ck_assert_int_eq(state_file_load(g_dir, "orders", controller, &err), STATE_FILE_BAD);
        ck_assert_msg(strstr(err.text, BAD[i][1]) != NULL && strstr(err.text, "orders.state.json") != NULL,
                      "%s", err.text);
        ck_assert_int_eq(controller_desired(controller), controller_config(controller)->capacity.min);
        ck_assert_int_eq(access(path_of("orders.state.json.bad"), F_OK), 0);
        ck_assert_int_ne(access(path_of("orders.state.json"), F_OK), 0);
        controller_destroy(controller);
        remove_dir();
    }
}
END_TEST

static pid_t start_sleeper(void)
{
    static const char *const ARGV[] = {"sleep", "600", NULL};
    struct child_spec spec = CHILD_SPEC_INIT;
    pid_t pid = 0;
    spec.argv = ARGV;
    ck_assert_int_eq(child_spawn(&spec, &pid, NULL), 0);
    return pid;
}

static void end_sleeper(pid_t pid)
{
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static struct worker_record record_of(const char *worker, pid_t pid)
{
    struct worker_record record = {.fleet = "orders", .pid = pid, .start_ticks = child_start_ticks(pid)};
    (void)snprintf(record.worker, sizeof record.worker, "%s", worker);
    return record;
}

START_TEST(only_records_of_the_very_same_live_process_are_orphans)
{
    make_dir();
    ck_assert_int_eq(mkdir(path_of("workers"), 0700), 0);
    struct event_base *base = loop_base_new();
    struct err err = {.text = ""};
    pid_t pid = start_sleeper();
    struct worker_record alive = record_of("orders-1", pid);
    struct worker_record reused = record_of("orders-2", pid);
    reused.start_ticks += 1;
    struct worker_record dead = record_of("orders-3", pid);
    dead.pid = 0x3ffffff;
    ck_assert_int_eq(worker_record_write(g_dir, &alive, &err), 0);
    ck_assert_int_eq(worker_record_write(g_dir, &reused, &err), 0);
    ck_assert_int_eq(worker_record_write(g_dir, &dead, &err), 0);
    ck_assert_int_eq(file_write_atomic(path_of("workers/orders-4.json"), "{", 1, 0600, &err), 0);
    /* A record that was being written when its writer died names the same process once more. */
    ck_assert_int_eq(worker_record_write(g_dir, &alive, &err), 0);
    ck_assert_int_eq(link(path_of("workers/orders-1.json"), tmp_of("workers/orders-1.json")), 0);
    struct orphans *orphans = orphans_new(base, g_dir);
    ck_assert_uint_eq(orphans_count(orphans, NULL), 1);
    ck_assert_uint_eq(orphans_count(orphans, "orders"), 1);
    ck_assert_uint_eq(orphans_count(orphans, "others"), 0);
    ck_assert_int_eq(orphans_get(orphans, 0)->pid, pid);
    ck_assert_ptr_null(orphans_get(orphans, 1));
    ck_assert(orphans_has(orphans, "orders-1"));
    ck_assert(!orphans_has(orphans, "orders-2"));
    ck_assert_int_eq(access(path_of("workers/orders-1.json"), F_OK), 0);
    for (int i = 2; i <= 4; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "workers/orders-%d.json", i);
        ck_assert_int_ne(access(path_of(name), F_OK), 0);
    }
    /* It is listed until it is gone; then its record goes too. The loop ends when nothing is left to look
     * after. */
    end_sleeper(pid);
    ck_assert_int_eq(event_base_dispatch(base), 1);
    ck_assert_uint_eq(orphans_count(orphans, NULL), 0);
    ck_assert_int_ne(access(path_of("workers/orders-1.json"), F_OK), 0);
    orphans_destroy(orphans);
    event_base_free(base);
    remove_dir();
}
END_TEST

START_TEST(a_zombie_that_nobody_reaps_is_no_orphan)
{
    make_dir();
    ck_assert_int_eq(mkdir(path_of("workers"), 0700), 0);
    struct event_base *base = loop_base_new();
    struct err err = {.text = ""};
    siginfo_t info;
    pid_t pid = start_sleeper();
    struct worker_record record = record_of("orders-1", pid);
    ck_assert_int_eq(worker_record_write(g_dir, &record, &err), 0);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    struct orphans *orphans = orphans_new(base, g_dir);
    ck_assert_uint_eq(orphans_count(orphans, NULL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    orphans_destroy(orphans);
    event_base_free(base);
    remove_dir();
}
END_TEST

START_TEST(records_of_an_earlier_boot_are_dropped)
{
    make_dir();
    ck_assert_int_eq(mkdir(path_of("workers"), 0700), 0);
    struct event_base *base = loop_base_new();
    struct err err = {.text = ""};
    struct strbuf text = STRBUF_INIT;
    strbuf_appendf(&text,
                   "{\"v\":1,\"worker\":\"orders-1\",\"fleet\":\"orders\",\"pid\":%ld,\"start_ticks\":%llu,"
                   "\"started_ms\":1,\"boot_id\":\"another\"}\n",
                   (long)getpid(), child_start_ticks(getpid()));
    ck_assert_int_eq(file_write_atomic(path_of("workers/orders-1.json"), text.data, text.len, 0600, &err), 0);
    struct orphans *orphans = orphans_new(base, g_dir);
    ck_assert_uint_eq(orphans_count(orphans, NULL), 0);
    ck_assert_int_ne(access(path_of("workers/orders-1.json"), F_OK), 0);
    orphans_destroy(orphans);
    strbuf_clean_up(&text);
    event_base_free(base);
    remove_dir();
}
END_TEST

UNIT_MAIN("files", a_journal_opens_with_a_config_record_and_has_every_decision,
          full_files_rotate_and_the_oldest_goes, a_rotated_file_replays_alone_to_the_same_decisions,
          changes_alone_are_written_when_so_configured_and_nothing_when_off,
          each_change_alone_replays_from_the_record_before_it, a_journal_that_was_deleted_is_begun_anew,
          a_full_disk_is_counted_and_the_journal_goes_on_when_there_is_room, a_torn_last_line_is_cut_off,
          a_folder_that_is_gone_stops_no_step, a_saved_state_comes_back,
          a_lazy_save_writes_news_alone_and_a_synced_one_always,
          a_bad_state_file_that_cannot_be_put_aside_is_told_apart,
          a_state_file_of_no_use_is_kept_aside_and_changes_nothing,
          only_records_of_the_very_same_live_process_are_orphans, a_zombie_that_nobody_reaps_is_no_orphan,
          records_of_an_earlier_boot_are_dropped)
