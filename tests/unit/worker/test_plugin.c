/* What a shared object may offer: versions and sizes by table, and files that are no plugin. */
#include "tests/unit/unit.h"

#include "worker/handlers.h"
#include "worker/plugin.h"

#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

static struct err err;

static enum sluice_verdict handle(void *instance, const struct sluice_message *message,
                                  const struct sluice_context *context)
{
    (void)instance;
    (void)message;
    (void)context;
    return SLUICE_DONE;
}

static void close_it(void *instance)
{
    (void)instance;
}

static struct sluice_handler offer(void)
{
    return (struct sluice_handler){.abi_version = SLUICE_HANDLER_ABI,
                                   .flags = SLUICE_WANTS_ORIGIN,
                                   .size = sizeof(struct sluice_handler),
                                   .name = "n",
                                   .handle = handle,
                                   .close = close_it};
}

START_TEST(what_is_offered_is_taken)
{
    struct sluice_handler given = offer();
    struct sluice_handler taken;
    ck_assert_int_eq(plugin_accept(&given, &taken, &err), 0);
    ck_assert_uint_eq(taken.flags, SLUICE_WANTS_ORIGIN);
    ck_assert_str_eq(taken.name, "n");
    ck_assert(taken.handle == handle);
    ck_assert(taken.close == close_it);
    ck_assert(taken.open == NULL && taken.limit == NULL);
}
END_TEST

START_TEST(an_older_one_lacks_members)
{
    /* Beyond its size there is anything, as behind a struct in the memory of a real one. */
    struct sluice_handler given = offer();
    struct sluice_handler taken;
    given.size = offsetof(struct sluice_handler, close);
    ck_assert_int_eq(plugin_accept(&given, &taken, &err), 0);
    ck_assert(taken.handle == handle);
    ck_assert(taken.close == NULL);
}
END_TEST

START_TEST(a_newer_one_has_more_members)
{
    struct {
        struct sluice_handler known;
        void *more[4];
    } given = {.known = offer()};
    struct sluice_handler taken[2];
    memset(taken, 0x55, sizeof taken);
    memset(given.more, 0xaa, sizeof given.more);
    given.known.size = sizeof given;
    given.known.flags |= 1U << 3 | 1U << 16 | 1U << 31;
    ck_assert_int_eq(plugin_accept(&given.known, &taken[0], &err), 0);
    ck_assert(taken[0].close == close_it);
    ck_assert_uint_eq(taken[0].flags, SLUICE_WANTS_ORIGIN);
    for (size_t i = 0; i < sizeof taken[1]; i++)
        ck_assert_uint_eq(((unsigned char *)&taken[1])[i], 0x55);
}
END_TEST

START_TEST(what_cannot_be_worked_with_is_refused_by_what_is_wrong)
{
    struct sluice_handler taken;
    struct sluice_handler given;
    ck_assert_int_eq(plugin_accept(NULL, &taken, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "NULL"));
    for (uint32_t version = 0; version < 4; version++) {
        given = offer();
        given.abi_version = version;
        ck_assert_int_eq(plugin_accept(&given, &taken, &err), version == SLUICE_HANDLER_ABI ? 0 : -1);
        if (version != SLUICE_HANDLER_ABI)
            ck_assert_ptr_nonnull(strstr(err.text, "abi_version"));
    }
    static const size_t SIZES[] = {0,
                                   16,
                                   offsetof(struct sluice_handler, handle),
                                   offsetof(struct sluice_handler, handle) + 4,
                                   sizeof given - 1,
                                   sizeof given + 1};
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
        given = offer();
        given.size = SIZES[i];
        ck_assert_msg(plugin_accept(&given, &taken, &err) == -1, "size %zu", SIZES[i]);
        ck_assert_ptr_nonnull(strstr(err.text, "size is"));
    }
    given = offer();
    given.handle = NULL;
    ck_assert_int_eq(plugin_accept(&given, &taken, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "handle is NULL"));
}
END_TEST

START_TEST(a_file_that_is_no_plugin_is_named)
{
    char path[] = "/tmp/unit_plugin_XXXXXX";
    int fd = mkstemp(path);
    char *file = path;
    char *missing = (char *)"/nonexistent/x.so";
    struct sluice_host host = {.size = sizeof host};
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "no ELF", 6), 6);
    /* The handler's options are one string. */
    ck_assert_ptr_null(HANDLER_PLUGIN.open(&file, &host, &err));
    ck_assert_ptr_nonnull(strstr(err.text, path));
    ck_assert_ptr_eq(strstr(strstr(err.text, path) + 1, path), NULL);
    ck_assert_ptr_null(HANDLER_PLUGIN.open(&missing, &host, &err));
    ck_assert_str_eq(err.text, "--plugin /nonexistent/x.so: No such file or directory");
    (void)close(fd);
    (void)unlink(path);
}
END_TEST

UNIT_MAIN("plugin", what_is_offered_is_taken, an_older_one_lacks_members, a_newer_one_has_more_members,
          what_cannot_be_worked_with_is_refused_by_what_is_wrong, a_file_that_is_no_plugin_is_named)
