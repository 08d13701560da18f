/* Operators' orders in the journal: in every mode, after every rotation, the files replay to the same
 * decisions. */
#include "tests/unit/unit.h"

#include "base/file.h"
#include "supervisor/journal.h"
#include "supervisor/state_file.h"

#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

static const int64_t START_MS = 1800000000000;
static char g_dir[64];

static void make_dir(void)
{
    (void)snprintf(g_dir, sizeof g_dir, "/tmp/sluice-orders-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(g_dir));
}

static void remove_dir(void)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", g_dir);
    ck_assert_int_eq(system(command), 0);
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

static void step(struct journal *journal, struct controller *controller, int64_t now_ms, int64_t visible)
{
    struct observation obs;
    struct decision decision;
    observation_init(&obs);
    reading_set(&obs.visible, visible, now_ms);
    reading_set(&obs.in_flight, 0, now_ms);
    journal_before_step(journal, now_ms);
    controller_step(controller, &obs, now_ms, &decision);
    journal_after_step(journal, &decision);
}

static void order(struct journal *journal, struct controller *controller, int64_t now_ms,
                  enum override_kind kind, int64_t desired)
{
    struct override made;
    struct err err = {.text = ""};
    struct override_order order = {.kind = kind,
                                   .desired = desired,
                                   .for_ms = kind == OVERRIDE_NONE ? 0 : 120000,
                                   .uid = 1000,
                                   .pid = 4711,
                                   .reason = "a \"quoted\" reason"};
    journal_before_step(journal, now_ms);
    ck_assert_int_eq(controller_override(controller, &order, now_ms, &made, &err), 0);
    journal_after_override(journal, &made, now_ms);
}

/* A day at the office: the depth moves all the time, and now and then somebody gives an order. */
static void live(struct journal *journal, struct controller *controller)
{
    for (int i = 0; i < 600; i++) {
        int64_t now_ms = START_MS + (int64_t)i * 5000;
        if (i % 50 == 10)
            order(journal, controller, now_ms, OVERRIDE_SCALE, 5 + i % 7);
        if (i % 50 == 25)
            order(journal, controller, now_ms, OVERRIDE_PAUSE, 0);
        if (i % 100 == 40)
            order(journal, controller, now_ms, OVERRIDE_NONE, 0);
        step(journal, controller, now_ms, i % 200 < 120 ? (i * 37) % 900 : 0);
    }
}

struct replayed {
    int files, orders, decisions, under_order;
};

static void replay_decision(struct controller *again, const json_t *record, const char *line,
                            struct replayed *count)
{
    struct decision was;
    struct decision is;
    struct err err = {.text = ""};
    struct strbuf out = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&out);
    ck_assert_msg(decision_parse_json(record, &was, &err) == 0, "%s", err.text);
    controller_step(again, &was.obs, was.t_ms, &is);
    decision_encode_json(&is, &w);
    ck_assert_str_eq(strbuf_str(&out), line);
    count->decisions++;
    count->under_order += is.override.kind != OVERRIDE_NONE;
    strbuf_clean_up(&out);
}

/* Replays one file, from its first line on. */
static void replay_file(const char *path, struct replayed *count)
{
    struct strbuf text = STRBUF_INIT;
    struct err err = {.text = ""};
    struct controller *again = NULL;
    char *save = NULL;
    ck_assert_int_eq(file_read(path, 1 << 24, &text, NULL), 0);
    for (char *line = strtok_r(text.data, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        json_t *record = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        if (json_object_get(record, "config") != NULL) {
            controller_destroy(again);
            again = controller_new_from_record(record, &err);
            ck_assert_msg(again != NULL, "%s", err.text);
        } else if (json_object_get(record, "obs") != NULL) {
            ck_assert_ptr_nonnull(again);
            replay_decision(again, record, line, count);
        } else {
            ck_assert_ptr_nonnull(again);
            ck_assert_msg(controller_replay_override(again, record, &err) == 0, "%s", err.text);
            count->orders++;
        }
        json_decref(record);
    }
    count->files++;
    controller_destroy(again);
    strbuf_clean_up(&text);
}

static struct replayed write_and_replay(enum config_journal mode, int64_t max_bytes)
{
    struct journal journal;
    struct replayed count = {.files = 0};
    struct controller *controller = make_controller();
    char path[128];
    make_dir();
    journal_init(&journal, g_dir, "orders", controller, mode);
    journal.max_bytes = max_bytes;
    journal.files = 100; /* keep all of it */
    live(&journal, controller);
    ck_assert_uint_eq(journal.failures, 0);
    journal_clean_up(&journal);
    (void)snprintf(path, sizeof path, "%s/orders.journal.jsonl", g_dir);
    for (int i = 1; access(path, F_OK) == 0; i++) {
        replay_file(path, &count);
        (void)snprintf(path, sizeof path, "%s/orders.journal.jsonl.%d", g_dir, i);
    }
    controller_destroy(controller);
    remove_dir();
    return count;
}

START_TEST(a_journal_of_all_decisions_replays_with_the_orders_in_it)
{
    struct replayed count = write_and_replay(JOURNAL_ALL, 40000);
    ck_assert_int_gt(count.files, 5);
    ck_assert_int_eq(count.decisions, 600);
    ck_assert_int_eq(count.orders, 12 + 12 + 6);
    ck_assert_int_gt(count.under_order, 100);
}
END_TEST

START_TEST(a_journal_of_changes_has_every_order_and_replays)
{
    struct replayed count = write_and_replay(JOURNAL_CHANGES, 40000);
    ck_assert_int_eq(count.orders, 12 + 12 + 6);
    ck_assert_int_gt(count.decisions, 20);
    ck_assert_int_gt(count.under_order, 5);
}
END_TEST

START_TEST(an_order_survives_in_the_state_file_and_goes_on)
{
    struct controller *controller = make_controller();
    struct controller *next = make_controller();
    struct journal journal;
    struct strbuf written = STRBUF_INIT;
    struct err err = {.text = ""};
    make_dir();
    journal_init(&journal, g_dir, "orders", controller, JOURNAL_OFF);
    order(&journal, controller, START_MS, OVERRIDE_SCALE, 9);
    ck_assert_int_eq(
        state_file_save(g_dir, "orders", controller, START_MS, STATE_FILE_SYNCED, &written, &err), 0);
    ck_assert_int_eq(state_file_load(g_dir, "orders", next, &err), STATE_FILE_RESTORED);
    const struct override *found = controller_get_override(next, START_MS + 119999);
    ck_assert_int_eq(found->order.desired, 9);
    ck_assert_str_eq(found->order.reason, "a \"quoted\" reason");
    ck_assert_int_eq(controller_get_override(next, START_MS + 120000)->order.kind, OVERRIDE_NONE);
    journal_clean_up(&journal);
    strbuf_clean_up(&written);
    controller_destroy(controller);
    controller_destroy(next);
    remove_dir();
}
END_TEST

UNIT_MAIN("order_journal", a_journal_of_all_decisions_replays_with_the_orders_in_it,
          a_journal_of_changes_has_every_order_and_replays, an_order_survives_in_the_state_file_and_goes_on)
