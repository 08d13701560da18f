/*
 * The plugin handler: passes messages on to a shared object that keeps to include/sluice/handler.h. It is
 * loaded once and never unloaded: a thread that it started may still run in its code when the worker ends.
 */
#include "worker/handlers.h"

#include "base/alloc.h"
#include "base/exitcode.h"
#include "base/log.h"
#include "worker/plugin.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* sluice_plugin(), the one function of a shared object. */
typedef const struct sluice_handler *entry_fn(void);

struct plugin_options {
    char *plugin;
};

static const struct option_row OPTIONS[] = {
    {"plugin", OPTION_STRING, offsetof(struct plugin_options, plugin), NULL, 0, 0, NULL, "FILE",
     "shared object with the handler; what stands behind \"--\" are its arguments"},
    OPTION_END,
};

static const struct option_row ENVIRONMENT[] = {OPTION_END};

struct plugin {
    struct sluice_handler handler; /* as plugin_accept() gave it */
    void *instance;                /* its own; NULL when it has no open() */
    int64_t limit;
};

static int plugin_check(const void *options, const char *const *arguments, size_t argument_count,
                        struct err *err)
{
    const struct plugin_options *plugin = options;
    (void)arguments;
    (void)argument_count;
    if (plugin->plugin == NULL || plugin->plugin[0] == '\0')
        return err_set(err, "no handler: want --plugin FILE, a shared object such as ./orders.so");
    return 0;
}

/* ---- loading ---- */

/* The function behind the symbol; NULL with err. A path is made absolute first: a bare name would be looked
 * for among the system's libraries. */
static entry_fn *load(const char *file, struct err *err)
{
    entry_fn *function = NULL;
    char *path = realpath(file, NULL);
    if (path == NULL) {
        (void)err_set(err, "%s", strerror(errno));
        return NULL;
    }
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (object == NULL) {
        /* What the loader says after "PATH: "; some put words of their own in front. Of a library that is
         * missing it says all that it says. */
        const char *text = dlerror();
        const char *at = strstr(text, path);
        size_t len = strlen(path);
        (void)err_set(err, "%s", at != NULL && strncmp(at + len, ": ", 2) == 0 ? at + len + 2 : text);
        free(path);
        return NULL;
    }
    free(path);
    void *symbol = dlsym(object, "sluice_plugin");
    if (symbol == NULL)
        (void)err_set(err, "no function sluice_plugin(), which sluice/handler.h declares");
    /* POSIX lets a function's address be a void *, C does not let it be cast. */
    memcpy(&function, &symbol, sizeof function);
    return function;
}

/* The text that open() left is a stranger's: bounded and on one line. */
static int open_failed(char *text, size_t size, struct err *err)
{
    text[size - 1] = '\0';
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    return err_set(err, "its open() failed%s%s", text[0] != '\0' ? ": " : " without a reason", text);
}

static int open_instance(struct plugin *plugin, const struct sluice_host *host, struct err *err)
{
    char text[256] = "";
    if (plugin->handler.open != NULL) {
        plugin->instance = plugin->handler.open(host, text, sizeof text);
        if (plugin->instance == NULL)
            return open_failed(text, sizeof text, err);
    }
    int64_t limit = plugin->handler.limit != NULL ? plugin->handler.limit(plugin->instance) : 0;
    plugin->limit = limit < 0 ? 0 : limit > INT_MAX ? INT_MAX : limit;
    return 0;
}

static void *plugin_open(const void *options, const struct sluice_host *host, struct err *err)
{
    const char *file = ((const struct plugin_options *)options)->plugin;
    struct plugin *plugin = xcalloc(1, sizeof *plugin);
    entry_fn *function = load(file, err);
    if (function == NULL || plugin_accept(function(), &plugin->handler, err) != 0 ||
        open_instance(plugin, host, err) != 0) {
        (void)err_prefix(err, "--plugin %.200s", file);
        free(plugin);
        return NULL;
    }
    LOG(LOG_INFO, "plugin loaded", LOG_STR("plugin", file), LOG_STR("name", plugin->handler.name),
        LOG_INT("flags", plugin->handler.flags), LOG_INT("limit", plugin->limit));
    return plugin;
}

/* ---- passing on ---- */

static int64_t plugin_limit(const void *instance)
{
    return ((const struct plugin *)instance)->limit;
}

static uint32_t plugin_flags(const void *instance)
{
    return ((const struct plugin *)instance)->handler.flags;
}

static enum sluice_verdict plugin_handle(void *instance, const struct sluice_message *message,
                                         const struct sluice_context *context)
{
    const struct plugin *plugin = instance;
    char reason[64];
    long verdict = (long)plugin->handler.handle(plugin->instance, message, context);
    switch (verdict) {
    case SLUICE_DONE:
    case SLUICE_FAILED:
    case SLUICE_RETRY:
    case SLUICE_REJECT:
        return (enum sluice_verdict)verdict;
    default:
        (void)snprintf(reason, sizeof reason, "the plugin returned %ld, which is no verdict", verdict);
        context->set_reason(context, reason);
        return SLUICE_FAILED;
    }
}

static void plugin_close(void *instance)
{
    struct plugin *plugin = instance;
    if (plugin->handler.close != NULL)
        plugin->handler.close(plugin->instance);
    free(plugin);
}

const struct handler HANDLER_PLUGIN = {
    .flags = HANDLER_TAKES_ARGUMENTS,
    .name = "plugin",
    .help = "passes messages on to a shared object, see sluice/handler.h",
    .options = OPTIONS,
    .environment = ENVIRONMENT,
    .options_size = sizeof(struct plugin_options),
    .check = plugin_check,
    .open = plugin_open,
    .limit = plugin_limit,
    .instance_flags = plugin_flags,
    .handle = plugin_handle,
    .close = plugin_close,
    .open_exit_code = EXIT_CODE_CONFIG,
};
