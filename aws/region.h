/* The region that an EC2 instance runs in, for programs that no setting tells one. */
#ifndef SLUICE_AWS_REGION_H
#define SLUICE_AWS_REGION_H

#include "aws/endpoint.h"
#include "aws/profile.h"
#include "base/err.h"

/* Asks the instance metadata service for placement/region. Blocks for at most 2 s, on a loop of its own; for
 * the start of a program, after aws_region_find() found none. Nothing is asked when
 * AWS_EC2_METADATA_DISABLED is true, nor in a container, where the region is always in the environment and
 * the instance is not ours. Returns 0, or -1 with err. */
int aws_region_ask_metadata(const struct aws_profiles *profiles, char ret_region[static AWS_REGION_BYTES],
                            struct err *err);

#endif
