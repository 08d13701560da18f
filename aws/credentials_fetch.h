/* Carries out a plan: asks its source, then assumes its roles one after the other. */
#ifndef SLUICE_AWS_CREDENTIALS_FETCH_H
#define SLUICE_AWS_CREDENTIALS_FETCH_H

#include "aws/credentials_plan.h"
#include "aws/credentials_source.h"

/* Takes the plan over (it is cleaned up in every case) but not the profiles, which are only read here. Not
 * for a plan that is keys without a role: those are at hand. The web identity's and the container's token
 * files are read now. Returns NULL with err when it cannot even be started. */
struct credentials_fetch *credentials_fetch_start(const struct credentials_io *io,
                                                  const struct aws_profiles *profiles,
                                                  struct credentials_plan *plan, aws_credentials_fn *fn,
                                                  void *arg, struct err *err);

#endif
