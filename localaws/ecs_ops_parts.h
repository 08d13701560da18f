/* What the files of the ECS operations share. */
#ifndef SLUICE_LOCALAWS_ECS_OPS_PARTS_H
#define SLUICE_LOCALAWS_ECS_OPS_PARTS_H

#include "base/jsonw.h"
#include "localaws/ecs_ops.h"

/* One operation under way; on the stack. The first objection sticks; readers then give defaults. */
struct ecs_call {
    struct ecs_engine *engine;
    const json_t *in;
    struct jsonw w; /* inside the reply's object */
    struct ecs_failure *failure;
    int64_t now_ms;
};

/* Members of the request. A member that is absent or null gives an absent slice, the fallback, or NULL. */
struct slice ecs_in_text(const struct ecs_call *call, const char *key);
int64_t ecs_in_int(const struct ecs_call *call, const char *key, int64_t min, int64_t max, int64_t fallback);
bool ecs_in_bool(const struct ecs_call *call, const char *key, bool fallback);
/* An array of at most max texts. */
const json_t *ecs_in_texts(const struct ecs_call *call, const char *key, size_t max);
bool ecs_in_has(const struct ecs_call *call, const char *key);
static inline bool ecs_ok(const struct ecs_call *call)
{
    return call->failure->error == ECS_OK;
}
/* A name of 1 to 255 letters, digits, hyphens and underscores, or an objection. */
bool ecs_in_name(const struct ecs_call *call, const char *what, struct slice name);

/* The cluster that the request names, or NULL with the failure. */
struct ecs_cluster *ecs_in_cluster(const struct ecs_call *call);
/* The task definition that it names, or NULL with the failure. */
struct ecs_task_definition *ecs_in_definition(const struct ecs_call *call);

/* A new object with those of the members that were given; NULL-terminated names. */
json_t *ecs_in_pick(const struct ecs_call *call, const char *const *keys);

/* Objects of the replies. */
void ecs_write_cluster(struct jsonw *w, const struct ecs_cluster *cluster);
void ecs_write_service(struct jsonw *w, struct ecs_service *service, bool with_tags);
void ecs_write_task(struct jsonw *w, const struct ecs_task *task);
void ecs_write_time(struct jsonw *w, const char *key, int64_t ms);
void ecs_write_json(struct jsonw *w, const json_t *value);
/* The members of an object, into the one that w is in; but not `without` (NULL: all). */
void ecs_write_members(struct jsonw *w, const json_t *object, const char *without);
/* {"arn":..., "reason":...}; kind such as "service", for names that are no ARNs. */
void ecs_write_missing(const struct ecs_engine *engine, struct jsonw *w, const char *kind, struct slice name);
const char *ecs_status_name(enum ecs_status status);

/* The page that the request asks for: entries after the number of the token, at most max. */
struct ecs_page {
    uint64_t after;
    int64_t max, count;
    uint64_t last; /* number of the last entry written */
    bool more;
};
struct ecs_page ecs_page_start(const struct ecs_call *call, int64_t fallback);
/* Whether the entry of this number is on the page; call it in ascending order. */
bool ecs_page_takes(struct ecs_page *page, uint64_t number);
void ecs_page_end(const struct ecs_page *page, struct jsonw *w);

void ecs_op_create_service(struct ecs_call *call);
void ecs_op_update_service(struct ecs_call *call);
void ecs_op_delete_service(struct ecs_call *call);
void ecs_op_describe_services(struct ecs_call *call);
void ecs_op_list_services(struct ecs_call *call);
void ecs_op_list_tasks(struct ecs_call *call);
void ecs_op_describe_tasks(struct ecs_call *call);
void ecs_op_stop_task(struct ecs_call *call);
void ecs_op_run_task(struct ecs_call *call);
void ecs_op_update_task_protection(struct ecs_call *call);
void ecs_op_get_task_protection(struct ecs_call *call);
void ecs_op_register_task_definition(struct ecs_call *call);
void ecs_op_describe_task_definition(struct ecs_call *call);
void ecs_op_deregister_task_definition(struct ecs_call *call);
void ecs_op_list_task_definitions(struct ecs_call *call);
void ecs_op_register_scalable_target(struct ecs_call *call);
void ecs_op_deregister_scalable_target(struct ecs_call *call);
void ecs_op_describe_scalable_targets(struct ecs_call *call);

#endif
