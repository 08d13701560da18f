/* Temporary credentials; see sessions.h. */
#include "localaws/sessions.h"

#include "base/alloc.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

void sessions_clean_up(struct sessions *sessions)
{
    if (sessions->list != NULL)
        OPENSSL_cleanse(sessions->list, SESSIONS_MAX * sizeof *sessions->list);
    free(sessions->list);
    *sessions = (struct sessions){.list = NULL};
}

static void fill(char *out, size_t chars, const char alphabet[static 33])
{
    unsigned char bytes[128];
    if (getrandom(bytes, chars, 0) != (ssize_t)chars)
        abort();
    for (size_t i = 0; i < chars; i++)
        out[i] = alphabet[bytes[i] % 32];
    out[chars] = '\0';
}

const struct session *sessions_issue(struct sessions *sessions, struct slice role, struct slice name,
                                     int64_t end_ms)
{
    static const char UPPER[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    static const char MIXED[] = "abcdefghijkmnpqrstuvwxyz23456789";
    if (sessions->list == NULL)
        sessions->list = xcalloc(SESSIONS_MAX, sizeof *sessions->list);
    struct session *made = &sessions->list[++sessions->last_number % SESSIONS_MAX];
    *made = (struct session){.number = sessions->last_number, .end_ms = end_ms, .access_key = "ASIA"};
    fill(made->access_key + 4, 16, UPPER);
    fill(made->secret_key, 40, MIXED);
    fill(made->token, 128, MIXED);
    (void)snprintf(made->role, sizeof made->role, "%.*s", (int)role.len, role.at);
    (void)snprintf(made->name, sizeof made->name, "%.*s", (int)name.len, name.at);
    return made;
}

const struct session *sessions_find(const struct sessions *sessions, struct slice access_key)
{
    for (size_t i = 0; sessions->list != NULL && i < SESSIONS_MAX; i++)
        if (sessions->list[i].number != 0 && slice_is(access_key, sessions->list[i].access_key))
            return &sessions->list[i];
    return NULL;
}

const struct session *sessions_by_number(const struct sessions *sessions, uint64_t number)
{
    const struct session *session = sessions->list == NULL ? NULL : &sessions->list[number % SESSIONS_MAX];
    return session != NULL && number != 0 && session->number == number ? session : NULL;
}
