/* Decoding requests; see sqs_decode.h. */
#include "localaws/sqs_decode.h"

enum sqs_error sqs_decode_json(struct http_request *http, struct slice target, struct sqs_request *request,
                               enum sqs_op *ret_op, struct sqs_failure *failure)
{
    static const char PREFIX[] = "AmazonSQS.";
    struct slice name = target;
    enum sqs_op op = SQS_OP_MAX;
    if (slice_starts_with(target, PREFIX)) {
        name.at += sizeof PREFIX - 1;
        name.len -= sizeof PREFIX - 1;
        op = sqs_op_find(name);
    }
    if (op == SQS_OP_MAX)
        return sqs_fail(failure, SQS_UNKNOWN_OPERATION, "The operation %.*s is not known here.",
                        (int)(target.len < 100 ? target.len : 100), target.at);
    *ret_op = op;
    sqs_request_reset(request, op);
    return sqs_json_decode(request, http->body, http->body_len, failure);
}

enum sqs_error sqs_decode_query(struct http_request *http, struct sqs_param params[static SQS_PARAMS_MAX],
                                struct sqs_request *request, enum sqs_op *ret_op, struct sqs_failure *failure)
{
    bool in_body = slice_is(http->method, "POST") && http->body_len > 0;
    struct slice text = in_body ? (struct slice){http->body, http->body_len} : http->query;
    struct slice action = {NULL, 0};
    size_t count = 0;
    char *bytes = (char *)(uintptr_t)text.at; /* in the connection's buffer, ours to change until the reply */
    if (sqs_query_split(bytes, text.len, params, &count, failure) != SQS_OK)
        return failure->error;
    for (size_t i = 0; i < count; i++)
        if (slice_is(params[i].name, "Action"))
            action = params[i].value;
    if (action.at == NULL)
        return sqs_fail(
            failure, SQS_UNKNOWN_OPERATION,
            "The request names no operation: want the header X-Amz-Target: AmazonSQS.<operation> or the"
            " parameter Action=<operation>.");
    enum sqs_op op = sqs_op_find(action);
    if (op == SQS_OP_MAX)
        return sqs_fail(failure, SQS_UNKNOWN_OPERATION, "The action %.*s is not valid for this endpoint.",
                        (int)(action.len < 100 ? action.len : 100), action.at);
    *ret_op = op;
    sqs_request_reset(request, op);
    return sqs_query_decode(request, params, count, failure);
}
