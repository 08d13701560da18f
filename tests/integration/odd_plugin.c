/* A handler for tests: what it offers and does is chosen when it is compiled, or by its arguments. */
#include <sluice/handler.h>

#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifndef ODD_ABI
#define ODD_ABI SLUICE_HANDLER_ABI
#endif
#ifndef ODD_SIZE
#define ODD_SIZE sizeof(struct sluice_handler)
#endif
#ifndef ODD_FLAGS
#define ODD_FLAGS 0
#endif

static const struct sluice_host *the_host;

static void *odd_open(const struct sluice_host *host, char *error, size_t error_size)
{
    the_host = host;
    if (host->argument_count > 0 && strcmp(host->arguments[0], "refuse") == 0) {
        (void)snprintf(error, error_size, "not %s,\nnot here", host->worker);
        return NULL;
    }
    host->log(SLUICE_LOG_INFO, "opened");
    return &the_host;
}

static int64_t odd_limit(const void *instance)
{
    (void)instance;
    return 3;
}

/* The body says what to do. */
static enum sluice_verdict odd_handle(void *instance, const struct sluice_message *message,
                                      const struct sluice_context *context)
{
    char text[256];
    (void)instance;
    if (strcmp(message->body, "wild") == 0 && message->receive_count == 1)
        return (enum sluice_verdict)42;
    if (strcmp(message->body, "wait") == 0) {
        struct pollfd fd = {.fd = context->cancel_fd(context), .events = POLLIN};
        while (!context->lease_lost(context))
            (void)poll(&fd, 1, 1000);
        context->log(context, SLUICE_LOG_INFO, "told to stop");
        return SLUICE_FAILED;
    }
    if (strcmp(message->body, "tell") == 0) {
        (void)snprintf(text, sizeof text, "%s=%s sender=%s first=%d arguments=%zu queue=%s",
                       message->attribute_count > 0 ? message->attributes[0].name : "-",
                       message->attribute_count > 0 ? message->attributes[0].value : "-",
                       message->sender_id != NULL ? message->sender_id : "-", message->first_receive_ms > 0,
                       the_host->argument_count, the_host->queue_url);
        context->log(context, SLUICE_LOG_WARNING, text);
    }
    return SLUICE_DONE;
}

#ifdef ODD_NO_ENTRY
#define sluice_plugin another_name
const struct sluice_handler *another_name(void);
#endif

const struct sluice_handler *sluice_plugin(void)
{
    static const struct sluice_handler HANDLER = {
        .abi_version = ODD_ABI,
        .flags = ODD_FLAGS,
        .size = ODD_SIZE,
        .name = "odd",
        .open = odd_open,
        .limit = odd_limit,
        .handle = odd_handle,
    };
#ifdef ODD_NULL
    return HANDLER.size > 0 ? NULL : &HANDLER;
#else
    return &HANDLER;
#endif
}

#ifdef ODD_UNDEFINED
void nobody_has_this(void);
void call_it(void);
void call_it(void)
{
    nobody_has_this();
}
#endif
