/*
 * The shared configuration files of the AWS tools (~/.aws/config and ~/.aws/credentials): grammar and
 * look-up. A loaded set is immutable and may be read from any thread.
 *
 * Grammar: AWS SDKs and Tools Reference Guide, "Shared config and credentials files", as aws-c-sdkutils reads
 * it: sections [default], [profile NAME], [services NAME] ([NAME] in the credentials file), `key = value`,
 * indented lines go on with the value or, below an empty value, form one level of `sub = value`.
 */
#ifndef SLUICE_AWS_PROFILE_H
#define SLUICE_AWS_PROFILE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct aws_profiles;

/* Reads the files that AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name, else those in ~/.aws (a leading
 * "~" is the home folder). A missing file counts as empty. Blocking I/O. Returns NULL with err for a file
 * that cannot be read, is above 1 MiB or breaks the grammar (names file and line). */
struct aws_profiles *aws_profiles_load(struct err *err);

/* Same from texts; either may be NULL. Pure. */
struct aws_profiles *aws_profiles_parse(const char *config, const char *credentials, struct err *err);

/* Accepts NULL. Wipes the values: some are secrets. */
void aws_profiles_destroy(struct aws_profiles *profiles);

/* AWS_PROFILE, else "default". */
const char *aws_profiles_current_name(void);

bool aws_profiles_has(const struct aws_profiles *profiles, const char *profile);

/* Value of a key (any case) of a profile; the credentials file wins over the config file, later lines over
 * earlier ones, [profile default] over the whole of [default]. NULL when not there or empty. Lives as long as
 * `profiles`. */
const char *aws_profiles_get(const struct aws_profiles *profiles, const char *profile, const char *key);

/* Value of `sub` below `key` in [services NAME], such as endpoint_url below sqs. NULL when not there or
 * empty. */
const char *aws_profiles_get_service(const struct aws_profiles *profiles, const char *services_name,
                                     const char *key, const char *sub);

#endif
