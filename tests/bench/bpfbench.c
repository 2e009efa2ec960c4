/* SPDX-License-Identifier: Apache-2.0 */

/*
 *   bpfbench hold OBJECT PROGRAM=CGROUP...   load, attach, print "ready", stay until standard input
 * ends bpfbench stats CGROUP...                 for each line on standard input: one JSON list of
 * the programs attached to these cgroups and of those that share a map with them (tc programs),
 * with run time and count so far
 *
 * Statistics are on while `stats` runs (BPF_ENABLE_STATS), and only then.
 */

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"
#include "place.h"

#define PROGRAMS_MAX 64
#define MAPS_MAX 256
#define MAPS_PER_PROGRAM_MAX 64
#define SYSTEM_PROGRAMS_MAX 10000

static int open_cgroup(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        fail(path);
    return fd;
}

/* ---- hold ---------------------------------------------------------------------------------- */

static void attach(struct bpf_object *object, char *argument)
{
    char *separator = strchr(argument, '=');
    struct bpf_program *program = NULL;

    if (separator) {
        *separator = '\0';
        program = bpf_object__find_program_by_name(object, argument);
    }
    if (!program || !bpf_program__attach_cgroup(program, open_cgroup(separator + 1)))
        fail(argument);
}

static int hold(int argc, char *argv[])
{
    struct bpf_object *object = bpf_object__open_file(argv[0], NULL);
    char line[16];

    if (!object || bpf_object__load(object) < 0)
        fail(argv[0]);
    for (int i = 1; i < argc; i++)
        attach(object, argv[i]);
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin))
        ;
    return 0; /* links and programs go with the process */
}

/* ---- stats --------------------------------------------------------------------------------- */

static __u32 programs[PROGRAMS_MAX], maps[MAPS_MAX];
static int attach_types[PROGRAMS_MAX]; /* of programs[i]; -1: not attached to a cgroup */
static size_t n_programs, n_maps;

static void add_unique(__u32 *list, size_t *n, size_t max, __u32 id)
{
    for (size_t i = 0; i < *n; i++)
        if (list[i] == id)
            return;
    if (*n == max) {
        errno = E2BIG;
        fail("too many programs or maps");
    }
    list[(*n)++] = id;
}

static bool program_info(__u32 id, struct bpf_prog_info *info, __u32 *map_ids)
{
    _cleanup_close_
    int fd = bpf_prog_get_fd_by_id(id);
    __u32 len = sizeof(*info);

    memset(info, 0, sizeof(*info));
    info->map_ids = (__u64)(uintptr_t)map_ids;
    info->nr_map_ids = map_ids ? MAPS_PER_PROGRAM_MAX : 0;
    return fd >= 0 && bpf_obj_get_info_by_fd(fd, info, &len) == 0;
}

static void add_program(__u32 id, int attach_type)
{
    size_t before = n_programs;

    add_unique(programs, &n_programs, PROGRAMS_MAX, id);
    if (n_programs > before)
        attach_types[before] = attach_type;
}

static void find_attached(const char *cgroup)
{
    _cleanup_close_
    int fd = open_cgroup(cgroup);

    for (int type = 0; type < __MAX_BPF_ATTACH_TYPE; type++) {
        __u32 ids[PROGRAMS_MAX], n = PROGRAMS_MAX, flags = 0;

        if (bpf_prog_query(fd, (enum bpf_attach_type)type, 0, &flags, ids, &n) < 0)
            continue; /* not a cgroup type, or unknown to this kernel */
        for (__u32 i = 0; i < n; i++)
            add_program(ids[i], type);
    }
}

static void find_maps(void)
{
    for (size_t i = 0; i < n_programs; i++) {
        __u32 ids[MAPS_PER_PROGRAM_MAX];
        struct bpf_prog_info info;

        if (!program_info(programs[i], &info, ids))
            continue;
        for (__u32 j = 0; j < info.nr_map_ids && j < MAPS_PER_PROGRAM_MAX; j++)
            add_unique(maps, &n_maps, MAPS_MAX, ids[j]);
    }
}

static bool shares_map(const __u32 *ids, __u32 n)
{
    for (__u32 i = 0; i < n && i < MAPS_PER_PROGRAM_MAX; i++)
        for (size_t j = 0; j < n_maps; j++)
            if (ids[i] == maps[j])
                return true;
    return false;
}

static void find_relatives(void)
{
    __u32 id = 0;

    for (int i = 0; i < SYSTEM_PROGRAMS_MAX && bpf_prog_get_next_id(id, &id) == 0; i++) {
        __u32 ids[MAPS_PER_PROGRAM_MAX];
        struct bpf_prog_info info;

        if (program_info(id, &info, ids) && shares_map(ids, info.nr_map_ids))
            add_program(id, -1);
    }
}

static void print_stats(void)
{
    const char *separator = "";

    printf("[");
    for (size_t i = 0; i < n_programs; i++) {
        struct bpf_prog_info info;

        if (!program_info(programs[i], &info, NULL))
            continue;
        printf("%s{\"id\": %u, \"name\": \"%s\", \"type\": %u, \"attach\": %d, \"ns\": %llu, "
               "\"runs\": %llu}",
               separator, info.id, info.name, info.type, attach_types[i],
               (unsigned long long)info.run_time_ns, (unsigned long long)info.run_cnt);
        separator = ", ";
    }
    printf("]\n");
    fflush(stdout);
}

static int stats(int argc, char *argv[])
{
    char line[16];

    if (bpf_enable_stats(BPF_STATS_RUN_TIME) < 0)
        fail("BPF_ENABLE_STATS");
    for (int i = 0; i < argc; i++)
        find_attached(argv[i]);
    find_maps();
    find_relatives();
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin))
        print_stats();
    return 0;
}

int main(int argc, char *argv[])
{
    if (argc >= 4 && strcmp(argv[1], "hold") == 0)
        return hold(argc - 2, argv + 2);
    if (argc >= 3 && strcmp(argv[1], "stats") == 0)
        return stats(argc - 2, argv + 2);
    fprintf(stderr, "usage: bpfbench hold OBJECT PROGRAM=CGROUP... | stats CGROUP...\n");
    return 2;
}
