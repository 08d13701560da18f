/* The fork recipe and whole files, with real processes and a real folder. */
#include "tests/unit/unit.h"

#include "base/child.h"
#include "base/file.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int run(const struct child_spec *spec, pid_t *ret_pid)
{
    struct err err = {""};
    int rc = child_spawn(spec, ret_pid, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    int status = 0;
    ck_assert_int_eq(waitpid(*ret_pid, &status, 0), *ret_pid);
    return status;
}

/* Runs a shell script with its output in a pipe; returns its exit code, text in out. */
static int run_script(struct child_spec spec, const char *script, char *out, size_t size)
{
    int fds[2];
    pid_t pid = 0;
    const char *argv[] = {"sh", "-c", script, NULL};
    ck_assert_int_eq(pipe(fds), 0);
    spec.argv = argv;
    spec.stdout_fd = fds[1];
    int status = run(&spec, &pid);
    (void)close(fds[1]);
    ssize_t got = read(fds[0], out, size - 1);
    out[got > 0 ? got : 0] = '\0';
    (void)close(fds[0]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

START_TEST(exit_codes_and_output_come_back)
{
    char out[256];
    struct child_spec spec = CHILD_SPEC_INIT;
    ck_assert_int_eq(run_script(spec, "echo hello; exit 7", out, sizeof out), 7);
    ck_assert_str_eq(out, "hello\n");
}
END_TEST

START_TEST(a_child_may_have_a_lower_limit_of_files)
{
    char out[256];
    struct child_spec spec = CHILD_SPEC_INIT;
    spec.file_limit = 77;
    ck_assert_int_eq(run_script(spec, "ulimit -Sn", out, sizeof out), 0);
    /* Valgrind plays the limit to its process and leaves the real one as it is. */
    if (getenv("SLUICE_TEST_VALGRIND") == NULL)
        ck_assert_str_eq(out, "77\n");
}
END_TEST

START_TEST(a_missing_program_is_an_error_not_a_child)
{
    static const char *const NAMES[] = {"/nonexistent/program", "no-such-program-in-path", "/etc/passwd"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        const char *argv[] = {NAMES[i], NULL};
        struct child_spec spec = CHILD_SPEC_INIT;
        struct err err;
        pid_t pid = -5;
        spec.argv = argv;
        int rc = child_spawn(&spec, &pid, &err);
        ck_assert_msg(rc == -ENOENT || rc == -EACCES, "%s gave %d", NAMES[i], rc);
        ck_assert_ptr_nonnull(strstr(err.text, NAMES[i]));
        ck_assert_int_eq(pid, -5);
    }
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* nothing left to reap */
}
END_TEST

START_TEST(only_the_promised_files_are_open_in_the_child)
{
    char out[256];
    int stray[8];
    struct child_spec spec = CHILD_SPEC_INIT;
    for (int i = 0; i < 8; i++)
        stray[i] = dup(STDERR_FILENO); /* not close-on-exec */
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    spec.pass_fd = ends[1];
    /* ls itself opens the folder: the highest number. */
    ck_assert_int_eq(run_script(spec,
                                "for f in 0 1 2 3 4 5 6 7 8 9 16 17 18 19 20; do [ -e /proc/self/fd/$f ] && "
                                "printf '%s ' $f; done; echo telemetry >&3",
                                out, sizeof out),
                     0);
    ck_assert_str_eq(out, "0 1 2 3 ");
    char line[32] = "";
    ck_assert_int_eq(read(ends[0], line, sizeof line - 1), 10);
    for (int i = 0; i < 8; i++)
        (void)close(stray[i]);
    (void)close(ends[0]);
    (void)close(ends[1]);
}
END_TEST

START_TEST(signals_are_reset_and_the_group_is_its_own)
{
    char out[256];
    struct child_spec spec = CHILD_SPEC_INIT;
    sigset_t block;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigemptyset(&block);
    (void)sigaddset(&block, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &block, NULL);
    spec.own_group = true;
    ck_assert_int_eq(run_script(spec,
                                "grep -E 'Sig(Blk|Ign)' /proc/self/status | tr -d '\\n\\t '; "
                                "set -- $(cat /proc/$$/stat); [ $5 = $$ ] && echo leader",
                                out, sizeof out),
                     0);
    ck_assert_ptr_nonnull(strstr(out, "SigBlk:0000000000000000SigIgn:0000000000000000leader"));
    (void)sigprocmask(SIG_UNBLOCK, &block, NULL);
}
END_TEST

START_TEST(the_environment_is_ours_with_overrides)
{
    char out[256];
    const char *const overrides[] = {"UNIT_A=new", "UNIT_B=b", NULL};
    struct child_spec spec = CHILD_SPEC_INIT;
    (void)setenv("UNIT_A", "old", 1);
    (void)setenv("UNIT_AB", "kept", 1);
    const char **environment = child_environment(overrides);
    spec.envp = environment;
    ck_assert_int_eq(run_script(spec, "echo $UNIT_A $UNIT_B $UNIT_AB", out, sizeof out), 0);
    ck_assert_str_eq(out, "new b kept\n");
    free(environment);
}
END_TEST

START_TEST(a_child_dies_with_its_parent)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t parent = fork();
    if (parent == 0) {
        const char *argv[] = {"sleep", "600", NULL};
        struct child_spec spec = CHILD_SPEC_INIT;
        pid_t pid = 0;
        spec.argv = argv;
        spec.death_signal = SIGTERM;
        (void)close(ends[0]);
        if (child_spawn(&spec, &pid, NULL) != 0 || write(ends[1], &pid, sizeof pid) != sizeof pid)
            _exit(1);
        _exit(0); /* dies: the kernel signals the child */
    }
    pid_t child = 0;
    (void)close(ends[1]);
    ck_assert_int_eq(read(ends[0], &child, sizeof child), sizeof child);
    (void)close(ends[0]);
    ck_assert_int_eq(waitpid(parent, NULL, 0), parent);
    /* Whoever adopts it reaps it; it is gone, or at least a zombie, soon. */
    for (int i = 0; i < 3000 && child_start_ticks(child) != 0 && kill(child, 0) == 0; i++) {
        char path[64];
        char state = 'R';
        (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)child);
        FILE *stat_file = fopen(path, "re");
        if (stat_file == NULL)
            break;
        int fields = fscanf(stat_file, "%*d (%*[^)]) %c", &state);
        (void)fclose(stat_file);
        if (fields == 1 && state == 'Z')
            break;
        (void)usleep(10000);
        ck_assert_int_lt(i, 2999);
    }
}
END_TEST

START_TEST(start_ticks_tell_a_process_from_none)
{
    ck_assert_uint_gt(child_start_ticks(getpid()), 0);
    ck_assert_uint_eq(child_start_ticks(0x3ffffff), 0);
}
END_TEST

static char folder[] = "/tmp/sluice-unit-XXXXXX";

START_TEST(files_are_replaced_whole_or_not_at_all)
{
    char path[128];
    struct strbuf text = STRBUF_INIT;
    struct err err;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/a/b/c", folder);
    ck_assert_int_eq(file_make_dirs(path, 0700, &err), 0);
    ck_assert_int_eq(file_make_dirs(path, 0700, &err), 0);
    (void)snprintf(path, sizeof path, "%s/state", folder);
    ck_assert_int_eq(file_read(path, 100, &text, &err), -ENOENT);
    ck_assert_int_eq(file_write_atomic(path, "one", 3, 0600, &err), 0);
    ck_assert_int_eq(file_write_atomic(path, "two!", 4, 0600, &err), 0);
    ck_assert_int_eq(file_read(path, 100, &text, &err), 0);
    ck_assert_str_eq(text.data, "two!");
    strbuf_clear(&text);
    ck_assert_int_eq(file_write_unsynced(path, "four", 4, 0600, &err), 0);
    ck_assert_int_eq(file_read(path, 100, &text, &err), 0);
    ck_assert_str_eq(text.data, "four");
    strbuf_clear(&text);
    ck_assert_int_eq(file_read(path, 3, &text, &err), -EFBIG);
    (void)snprintf(path, sizeof path, "%s/state/x", folder);
    ck_assert_int_eq(file_write_atomic(path, "x", 1, 0600, &err), -ENOTDIR);
    ck_assert_int_eq(file_make_dirs(path, 0700, &err), -ENOTDIR);
    ck_assert_ptr_nonnull(strstr(err.text, "/state: Not a directory"));
    ck_assert_int_lt(file_write_atomic("/dev/full/x", "x", 1, 0600, &err), 0);
    strbuf_clean_up(&text);
}
END_TEST

START_TEST(a_second_lock_names_the_holder)
{
    char path[128];
    struct err err;
    pid_t holder = 0;
    (void)snprintf(path, sizeof path, "%s/lock", folder);
    int fd = file_lock(path, &holder, &err);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(file_lock(path, &holder, &err), -EWOULDBLOCK);
    ck_assert_int_eq(holder, getpid());
    (void)close(fd);
    fd = file_lock(path, &holder, &err);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    char command[200];
    (void)snprintf(command, sizeof command, "%s", folder);
    const char *argv[] = {"rm", "-rf", command, NULL};
    struct child_spec spec = CHILD_SPEC_INIT;
    pid_t pid = 0;
    spec.argv = argv;
    ck_assert_int_eq(run(&spec, &pid), 0);
}
END_TEST

UNIT_MAIN("child", exit_codes_and_output_come_back, a_child_may_have_a_lower_limit_of_files,
          a_missing_program_is_an_error_not_a_child, only_the_promised_files_are_open_in_the_child,
          signals_are_reset_and_the_group_is_its_own, the_environment_is_ours_with_overrides,
          a_child_dies_with_its_parent, start_ticks_tell_a_process_from_none,
          files_are_replaced_whole_or_not_at_all, a_second_lock_names_the_holder)
