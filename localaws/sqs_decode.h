/* From an HTTP request to a struct sqs_request: which operation it names, in either protocol. Pure. */
#ifndef SLUICE_LOCALAWS_SQS_DECODE_H
#define SLUICE_LOCALAWS_SQS_DECODE_H

#include "localaws/http_request.h"
#include "localaws/sqs_request.h"

/* AWS JSON 1.0: `target` is the header X-Amz-Target. *ret_op is set as soon as the operation is known, so
 * that failures can name it, and untouched otherwise. The request points into the body, which is changed. */
enum sqs_error sqs_decode_json(struct http_request *http, struct slice target, struct sqs_request *request,
                               enum sqs_op *ret_op, struct sqs_failure *failure);

/* The Query protocol: parameters in the body of a POST, else in the URL. `params` is scratch that the request
 * points into. As above otherwise. */
enum sqs_error sqs_decode_query(struct http_request *http, struct sqs_param params[static SQS_PARAMS_MAX],
                                struct sqs_request *request, enum sqs_op *ret_op,
                                struct sqs_failure *failure);

#endif
