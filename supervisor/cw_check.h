/*
 * What "sluice check" asks CloudWatch: may we read a queue's metrics? One metric of one queue, a thousandth
 * of a cent. Blocking, with the AWS client's own timeouts and retries; nothing is changed. And what the
 * reading of metrics costs, in words.
 */
#ifndef SLUICE_SUPERVISOR_CW_CHECK_H
#define SLUICE_SUPERVISOR_CW_CHECK_H

#include "base/strbuf.h"
#include "supervisor/config.h"
#include "supervisor/preflight.h"

/* Asks for a fleet whose "cloudwatch" is not off; a refusal becomes the warning "cloudwatch". */
void cw_check_queue(const struct config *config, const struct config_fleet *fleet, struct warnings *warnings);

/* Appends "CloudWatch on, a period of 60 s: 3 metrics, $1.31 a month; ...". */
void cw_check_describe(const struct config_cloudwatch *cloudwatch, struct strbuf *out);

#endif
