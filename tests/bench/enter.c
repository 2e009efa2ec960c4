/* SPDX-License-Identifier: Apache-2.0 */

/*
 *   enter [--cgroup DIR] [--netns FILE] [--cpu N] [--rt] [--bpffs] -- COMMAND [ARGUMENT...]
 *
 * Run a command in its place. With --bpffs its pins live in a private bpffs and are gone with it.
 */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "place.h"

int main(int argc, char *argv[])
{
    struct place place = PLACE_NONE;
    int i = 1, used;

    while (i < argc && (used = place_option(&place, argc - i, argv + i)) > 0)
        i += used;
    if (i + 1 >= argc || strcmp(argv[i], "--") != 0) {
        fprintf(stderr, "usage: enter [--cgroup DIR] [--netns FILE] [--cpu N] [--rt] [--bpffs] -- "
                        "COMMAND [ARGUMENT...]\n");
        return 2;
    }
    place_enter(&place);
    execvp(argv[i + 1], argv + i + 1);
    fail(argv[i + 1]);
}
