/* Members that may be null, and bad replies; see json_reply.h. */
#include "aws/json_reply.h"

#include <stdio.h>

bool aws_take_text(struct jsonp *p, const char **ret_text, size_t *ret_len)
{
    if (jsonp_null(p)) {
        *ret_text = NULL;
        *ret_len = 0;
        return true;
    }
    return jsonp_string(p, ret_text, ret_len);
}

bool aws_take_object(struct jsonp *p)
{
    return !jsonp_null(p) && jsonp_object(p);
}

bool aws_take_array(struct jsonp *p)
{
    return !jsonp_null(p) && jsonp_array(p);
}

void aws_bad_reply(const struct aws_result *result, const char *problem, struct aws_result *ret_bad)
{
    *ret_bad = *result;
    ret_bad->kind = AWS_KIND_BAD_REPLY;
    (void)snprintf(ret_bad->code, sizeof ret_bad->code, "BadReply");
    (void)snprintf(ret_bad->message, sizeof ret_bad->message, "%s", problem);
}
