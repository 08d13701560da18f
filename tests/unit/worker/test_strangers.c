/* Orphans of others: reaped by a process that takes them, and told from what handlers have started. */
#include "worker/strangers.h"

#include "../unit.h"

#include "base/clock.h"
#include "base/loop.h"
#include "worker/child_groups.h"

#include <event2/event.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t start_child(void)
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        _exit(0);
    siginfo_t info;
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    return pid;
}

static bool is_zombie(pid_t pid)
{
    siginfo_t info = {.si_pid = 0};
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

START_TEST(who_takes_no_orphans_reaps_none)
{
    struct event_base *base = loop_base_new();
    ck_assert_ptr_null(strangers_new(base));
    ck_assert_int_eq(strangers_reaped(NULL), 0);
    strangers_destroy(NULL);
    event_base_free(base);
}
END_TEST

START_TEST(strangers_are_reaped_and_programs_of_handlers_left_to_their_owners)
{
    struct event_base *base = loop_base_new();
    struct child_groups groups;
    pid_t own = start_child();
    int status = -1;
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    child_groups_init(&groups);
    groups.pids = calloc(1, sizeof *groups.pids);
    groups.pids[0] = own;
    groups.count = groups.room = 1;
    struct strangers *strangers = strangers_new(base);
    ck_assert_ptr_nonnull(strangers);
    strangers_look(strangers);
    ck_assert(is_zombie(own));
    ck_assert(child_groups_reap(&groups, own, &status));
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    /* While one is being started, any may be the one. */
    pid_t stranger = start_child();
    groups.starting = 1;
    strangers_look(strangers);
    ck_assert(is_zombie(stranger));
    groups.starting = 0;
    pid_t another = start_child();
    strangers_look(strangers);
    ck_assert(!is_zombie(stranger) && !is_zombie(another));
    ck_assert_int_eq(strangers_reaped(strangers), 2);
    strangers_destroy(strangers);
    child_groups_clean_up(&groups);
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0), 0);
    event_base_free(base);
}
END_TEST

UNIT_MAIN("strangers", who_takes_no_orphans_reaps_none,
          strangers_are_reaped_and_programs_of_handlers_left_to_their_owners)
