/* What the readers of AWS JSON replies share: members that may be null, and the result of a reply that makes
 * no sense. Pure. */
#ifndef SLUICE_AWS_JSON_REPLY_H
#define SLUICE_AWS_JSON_REPLY_H

#include "aws/client.h"
#include "base/jsonp.h"

#include <stdbool.h>
#include <stddef.h>

/* A string, or null which gives NULL; other types are errors. */
bool aws_take_text(struct jsonp *p, const char **ret_text, size_t *ret_len);
/* Enters an object or array; false also when there is a null instead. */
bool aws_take_object(struct jsonp *p);
bool aws_take_array(struct jsonp *p);

/* *ret_bad becomes a copy of result that says what is wrong with the 2xx reply. */
void aws_bad_reply(const struct aws_result *result, const char *problem, struct aws_result *ret_bad);

#endif
