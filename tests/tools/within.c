/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Run a command inside one host of the test estate:
 *
 *   within [-c CGROUP_DIRECTORY] [-n NETNS_FILE] [-u UID] -- COMMAND [ARGUMENT…]
 *
 * Cgroup first, network namespace second, identity last; /sys stays as it is, unlike with
 * `ip netns exec`. The command is killed when the process that started it dies.
 */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void fail(const char *what)
{
    fprintf(stderr, "within: %s: %s\n", what, strerror(errno));
    exit(126);
}

static void enter_cgroup(const char *directory)
{
    char path[PATH_MAX];
    int fd;

    if (snprintf(path, sizeof(path), "%s/cgroup.procs", directory) >= (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        fail(directory);
    }
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1)
        fail(path);
    close(fd);
}

static void enter_netns(const char *file)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
        fail(file);
    close(fd);
}

static void become(const char *text)
{
    unsigned long uid = strtoul(text, NULL, 10);

    if (setgroups(0, NULL) < 0 || setgid((gid_t)uid) < 0 || setuid((uid_t)uid) < 0)
        fail(text);
}

int main(int argc, char **argv)
{
    const char *uid = NULL;
    pid_t parent = getppid();
    int option;

    while ((option = getopt(argc, argv, "+c:n:u:")) != -1) {
        if (option == 'c')
            enter_cgroup(optarg);
        else if (option == 'n')
            enter_netns(optarg);
        else if (option == 'u')
            uid = optarg;
        else
            return 126;
    }
    if (optind >= argc) {
        fprintf(stderr, "within: no command\n");
        return 126;
    }
    if (uid)
        become(uid);
    /* After setuid, which clears it. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        fail("prctl");
    if (getppid() != parent)
        return 126;
    execvp(argv[optind], argv + optind);
    fail(argv[optind]);
}
