/*
 * What the services beside SQS and ECS share (CloudWatch, DynamoDB, STS): an operation works on a tree of
 * members and answers with a tree, whichever protocol its caller speaks. AWS JSON 1.0 is the tree; the Query
 * protocol is turned into one, with texts for all values, and the answer into XML. Pure; one thread.
 */
#ifndef SLUICE_LOCALAWS_RPC_H
#define SLUICE_LOCALAWS_RPC_H

#include "base/strbuf.h"
#include "localaws/slice.h"

#include <jansson.h>
#include <stdint.h>

enum { RPC_MEMBERS_MAX = 10000, RPC_DEPTH_MAX = 32 };

/* An error of a service. */
struct rpc_error {
    const char *type;  /* __type: "com.amazonaws.sts#X" */
    const char *query; /* code of the Query protocol; NULL: what stands behind the '#' of type */
    int status;        /* HTTP */
};

struct rpc_failure {
    const struct rpc_error *error; /* NULL: none */
    char message[512];
    json_t *extras; /* owned by who runs the operation: further members of the error, or NULL */
};

/* One operation under way; on the stack. The first objection sticks; readers then give defaults. */
struct rpc_call {
    const json_t *in; /* an object */
    bool is_query;    /* all values of `in` are texts */
    json_t *out;      /* an object, to be filled; not owned */
    struct rpc_failure *failure;
    void *engine; /* the service's */
    int64_t now_ms;
};

struct rpc_op {
    const char *name;
    void (*run)(struct rpc_call *call);
    bool is_unsigned; /* anybody may call it */
};

struct rpc_service {
    const char *target; /* of X-Amz-Target, with its '.'; NULL: no JSON */
    const char *xmlns;  /* of Query replies; NULL: no Query */
    const char *signed_as;
    const struct rpc_op *ops;
    int op_count;
    const struct rpc_error *const *errors; /* NULL-terminated: those that faults can name */
    const struct rpc_error *internal, *throttled;
    const char *throttled_message;
    bool is_query_compatible; /* JSON errors carry x-amzn-query-error */
};

/* Errors that every service has. */
extern const struct rpc_error RPC_SERIALIZATION, RPC_UNKNOWN_OPERATION;

const char *rpc_error_code(const struct rpc_error *error);  /* what stands behind the '#' */
const char *rpc_error_query(const struct rpc_error *error); /* the code of the Query protocol */
/* op_count when there is none of this name. */
int rpc_op_find(const struct rpc_service *service, struct slice name);
/* The error whose code, of either protocol, this is; NULL when there is none. */
const struct rpc_error *rpc_error_find(const struct rpc_service *service, struct slice code);

static inline bool rpc_ok(const struct rpc_call *call)
{
    return call->failure->error == NULL;
}
/* Keeps the first objection. */
void rpc_fail(const struct rpc_call *call, const struct rpc_error *error, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- members of an object of the request; objections name the key ---- */

/* A member that is absent or null: NULL, false, and *ret as it was. */
const char *rpc_text(const struct rpc_call *call, const json_t *object, const char *key);
bool rpc_number(const struct rpc_call *call, const json_t *object, const char *key, double *ret);
bool rpc_bool(const struct rpc_call *call, const json_t *object, const char *key, bool *ret);
/* Epoch seconds, or ISO 8601 in the Query protocol; epoch ms come out. */
bool rpc_time(const struct rpc_call *call, const json_t *object, const char *key, int64_t *ret_ms);
const json_t *rpc_list(const struct rpc_call *call, const json_t *object, const char *key);
const json_t *rpc_object(const struct rpc_call *call, const json_t *object, const char *key);

/* "2026-11-23T09:20:00Z", with or without fraction; also with "+00:00". False when it is none. */
bool rpc_parse_time(const char *text, int64_t *ret_ms);

/* ---- protocols ---- */

/* The value of Action in a form that was not decoded yet; absent when there is none. */
struct slice rpc_form_action(struct slice form);
/* Turns a form, which is decoded where it stands, into a tree. NULL with the failure. Free it. */
json_t *rpc_form_tree(char *form, size_t len, struct rpc_failure *failure);
/* Appends the reply of an operation, and an error, as XML. */
void rpc_write_xml(const struct rpc_service *service, const char *op, const json_t *result,
                   const char *request_id, struct strbuf *out);
void rpc_write_xml_error(const struct rpc_service *service, const char *code, const char *message,
                         bool sender_fault, const char *request_id, struct strbuf *out);
/* Appends a tree as JSON. */
void rpc_write_json(const json_t *value, struct strbuf *out);

#endif
