/* The shared looks of many ECS fleets, against a scripted server: who travels with whom. */
#include "supervisor/ecs_pool.h"
#include "supervisor/ecs_stopping.h"

#include "tests/unit/aws/client_fixture.h"

#include <jansson.h>

enum { MEMBERS = 4, INTERVAL_MS = 20 };

static const char CLUSTER[] = "main";
static const char *const NAMES[MEMBERS] = {"svc-0", "svc-1", "svc-2", "svc-bad"};

static struct ecs_pool *g_pool;

/* What a member was told. */
struct teller {
    struct ecs_member *member;
    int good, bad;
};
static struct teller g_tellers[MEMBERS];

/* What the server does and has seen. */
static const char *g_refusal;   /* code of what it answers to a call with svc-bad; NULL: it knows it */
static struct fake_step g_step; /* the next answer */
static char g_answer[1024];
static size_t g_most, g_last; /* services of the fullest call, and of the last one */

static void tear_down(void)
{
    for (size_t i = 0; i < MEMBERS; i++)
        ecs_member_leave(g_tellers[i].member);
    ecs_pool_destroy(g_pool);
    tear_down_client();
}

/* Answers what is asked for, or refuses the whole call. */
static void on_request(struct fake_server *server)
{
    json_error_t error;
    size_t used = 0;
    size_t index = 0;
    json_t *name = NULL;
    const struct fake_request *request = &server->requests[server->request_count - 1];
    json_t *asked = json_loads(request->body, 0, &error);
    ck_assert_ptr_nonnull(asked);
    json_t *services = json_object_get(asked, "services");
    g_last = json_array_size(services);
    g_most = g_last > g_most ? g_last : g_most;
    g_step = (struct fake_step){.status = 200, .body = g_answer};
    if (g_refusal != NULL && strstr(request->body, "svc-bad") != NULL) {
        g_step.status = 400;
        (void)snprintf(g_answer, sizeof g_answer, "{\"__type\":\"%s\"}", g_refusal);
    } else {
        used += (size_t)snprintf(g_answer, sizeof g_answer, "{\"services\":[");
        json_array_foreach(services, index, name) used +=
            (size_t)snprintf(g_answer + used, sizeof g_answer - used,
                             "%s{\"serviceName\":\"%s\",\"desiredCount\":1,\"runningCount\":1}",
                             index > 0 ? "," : "", json_string_value(name));
        (void)snprintf(g_answer + used, sizeof g_answer - used, "]}");
    }
    json_decref(asked);
    if (server->request_count == FAKE_REQUESTS_MAX)
        fake_script(server, &g_step, 1); /* room for the next ones */
}

static void on_look(void *arg, const struct aws_result *result, const struct ecs_service *service,
                    const char *reason, int64_t asked_ms)
{
    struct teller *teller = arg;
    (void)reason;
    (void)asked_ms;
    ck_assert_int_eq(service != NULL, result->kind == AWS_KIND_OK);
    teller->good += service != NULL;
    teller->bad += service == NULL;
}

static void on_check(void *arg, const struct aws_result *result, const struct autoscaling_target *target)
{
    (void)arg;
    (void)result;
    (void)target;
}

static void set_up(const char *refusal)
{
    set_up_client(1);
    fake_script(&g_server, &g_step, 1);
    g_server.on_request = on_request;
    g_refusal = refusal;
    g_most = g_last = 0;
    g_pool = ecs_pool_new(g_base, g_client, 1);
    for (size_t i = 0; i < MEMBERS; i++) {
        g_tellers[i] = (struct teller){.member = NULL};
        g_tellers[i].member = ecs_pool_join(g_pool, &(struct ecs_member_options){.cluster = CLUSTER,
                                                                                 .service = NAMES[i],
                                                                                 .interval_ms = INTERVAL_MS,
                                                                                 .on_look = on_look,
                                                                                 .on_check = on_check,
                                                                                 .arg = &g_tellers[i]});
    }
}

static void turn(void)
{
    ck_assert_int_eq(event_base_loop(g_base, EVLOOP_ONCE), 0);
}

START_TEST(a_denied_service_travels_alone_and_the_others_together_again)
{
    set_up("AccessDeniedException");
    while (g_tellers[0].good < 1)
        turn();
    ck_assert_uint_eq(g_most, MEMBERS); /* the first call, which was denied for all */
    ck_assert_int_eq(g_tellers[0].bad, 1);
    ck_assert_uint_eq(g_last, 1);
    while (g_last != MEMBERS - 1) {
        ck_assert_int_lt(g_tellers[0].good, 40);
        turn();
    }
    for (size_t i = 0; i + 1 < MEMBERS; i++)
        ck_assert_int_eq(g_tellers[i].bad, 1);
    ck_assert_int_eq(g_tellers[MEMBERS - 1].good, 0);
    g_refusal = NULL; /* an operator allows it */
    while (g_last != MEMBERS)
        turn();
    tear_down();
}
END_TEST

START_TEST(a_missing_cluster_is_asked_about_once_for_all_its_services)
{
    set_up("ClusterNotFoundException");
    while (g_tellers[0].bad < 4)
        turn();
    ck_assert_int_eq(g_server.request_count, 4);
    for (size_t i = 0; i < MEMBERS; i++)
        ck_assert_int_eq(g_tellers[i].bad, 4);
    tear_down();
}
END_TEST

/* ---- tasks that stop ---- */

static void on_task_request(struct fake_server *server)
{
    static const char *const ANSWERS[] = {
        "{\"taskArns\":[],\"nextToken\":\"more\"}", "{\"taskArns\":[\"t/1\",\"t/2\"]}",
        "{\"tasks\":[{\"taskArn\":\"t/1\",\"lastStatus\":\"STOPPING\"},{\"lastStatus\":\"STOPPED\"}]}"};
    ck_assert_int_le(server->request_count, 3);
    g_step = (struct fake_step){.status = 200, .body = ANSWERS[server->request_count - 1]};
}

static int64_t cluster_reads(void)
{
    struct strbuf text = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&text);
    json_error_t error;
    ecs_pool_write_status(g_pool, &w);
    json_t *json = json_loads(strbuf_str(&text), 0, &error);
    int64_t calls = json_integer_value(json_object_get(json_object_get(json, "cluster_read"), "calls"));
    json_decref(json);
    strbuf_clean_up(&text);
    return calls;
}

/* ---- turns ---- */

enum { TURNS = 5 };
static struct ecs_turn g_turns[TURNS];
static char g_order[TURNS + 1];

static bool take_turn(int index)
{
    return ecs_pool_take_in_turn(g_pool, ECS_API_CLUSTER_READ, &g_turns[index]);
}

/* The second one does not need it any more. */
static void on_turn(void *arg)
{
    struct ecs_turn *turn = arg;
    int index = (int)(turn - g_turns);
    g_order[strlen(g_order)] = (char)('0' + index);
    ck_assert(index == 1 || take_turn(index));
}

START_TEST(who_waits_for_a_token_is_served_in_the_order_of_coming)
{
    int64_t wait_ms = 0;
    set_up(NULL);
    memset(g_order, 0, sizeof g_order);
    for (int i = 0; i < TURNS; i++)
        g_turns[i] = (struct ecs_turn){.fn = on_turn, .arg = &g_turns[i]};
    ck_assert(take_turn(0)); /* nobody waits */
    int64_t taken = 1;
    while (ecs_pool_take(g_pool, ECS_API_CLUSTER_READ, &wait_ms))
        taken++;
    for (int i = 0; i + 1 < TURNS; i++)
        ck_assert(!take_turn(i));
    ecs_pool_leave_turn(g_pool, &g_turns[2]);
    usleep(1000 * 100); /* by now there is a token, but it is the first one's */
    ck_assert(!take_turn(TURNS - 1));
    ck_assert(!take_turn(3)); /* asking again changes no place */
    while (strlen(g_order) < 4)
        turn();
    ck_assert_str_eq(g_order, "0134");
    ck_assert_int_eq(cluster_reads(), taken + 3);
    tear_down();
}
END_TEST

START_TEST(stopping_tasks_are_counted_to_the_last_page_and_every_call_by_the_limiter)
{
    struct ecs_stopping stopping;
    set_up(NULL);
    for (size_t i = 0; i < MEMBERS; i++) {
        ecs_member_leave(g_tellers[i].member);
        g_tellers[i].member = NULL;
    }
    g_server.on_request = on_task_request;
    ecs_stopping_init(&stopping, g_pool, CLUSTER, NAMES[0]);
    ecs_stopping_count(&stopping);
    while (stopping.running)
        turn();
    ck_assert_str_eq(stopping.error, "");
    ck_assert(stopping.known);
    ck_assert_int_eq(stopping.count, 1);
    ck_assert_int_eq(g_server.request_count, 3);
    ck_assert_int_eq(cluster_reads(), 3);
    ecs_stopping_clean_up(&stopping);
    tear_down();
}
END_TEST

UNIT_MAIN("ecs_pool", who_waits_for_a_token_is_served_in_the_order_of_coming,
          stopping_tasks_are_counted_to_the_last_page_and_every_call_by_the_limiter,
          a_denied_service_travels_alone_and_the_others_together_again,
          a_missing_cluster_is_asked_about_once_for_all_its_services)
