/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads a BPF object program by program and says which ones this kernel takes: one line each, the
 * end of the verifier's log after a refusal. Then loads it as a whole and attaches every program of
 * a cgroup to a cgroup of its own and every tc program to `lo`.
 *
 * Usage: load [-v] [-f] [-c CGROUP] OBJECT.o
 *   -v  the whole verifier log    -f  maps at their full size (else at most SMALL_MAP entries)
 *   -c  existing cgroup v2 directory to attach to; without it nothing is attached
 *
 * Lines: "RESULT ok|FAIL load:PROGRAM …"; exit 0 when all are ok, 1 when not, 2 wrong usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define LOG_BYTES (16u << 20)
#define LOG_TAIL 4000
#define SMALL_MAP 1024u

static bool verbose, full_size;
static char libbpf_words[16384]; /* what libbpf said since the last look */
static size_t libbpf_words_len;

static int keep_words(enum libbpf_print_level level, const char *format, va_list args)
{
    size_t room = sizeof(libbpf_words) - libbpf_words_len;
    int n;

    if (level == LIBBPF_DEBUG)
        return 0;
    n = vsnprintf(libbpf_words + libbpf_words_len, room, format, args);
    if (n > 0)
        libbpf_words_len += (size_t)n < room ? (size_t)n : room - 1;
    return n;
}

static void print_indented(const char *text, size_t len)
{
    bool start = true;

    for (size_t i = 0; i < len && text[i]; i++) {
        if (start)
            fputs("    ", stdout);
        start = text[i] == '\n';
        putchar(text[i]);
    }
    if (!start)
        putchar('\n');
}

static void print_failure(const char *log)
{
    size_t len = log ? strlen(log) : 0;
    size_t from = !verbose && len > LOG_TAIL ? len - LOG_TAIL : 0;

    print_indented(libbpf_words, libbpf_words_len);
    if (from > 0)
        printf("    […] last %d bytes of the verifier's log (-v: all):\n", LOG_TAIL);
    print_indented(log ? log + from : "", len - from);
}

static struct bpf_object *open_object(const char *path)
{
    struct bpf_object *object;
    struct bpf_map *map;

    libbpf_words_len = 0;
    libbpf_words[0] = '\0';
    object = bpf_object__open_file(path, NULL);
    if (!object)
        return NULL;
    bpf_object__for_each_map(map, object)
    {
        enum bpf_map_type type = bpf_map__type(map);

        bpf_map__set_pin_path(map, NULL);
        if (!full_size && bpf_map__max_entries(map) > SMALL_MAP && type != BPF_MAP_TYPE_RINGBUF &&
            type != BPF_MAP_TYPE_ARRAY && type != BPF_MAP_TYPE_PERCPU_ARRAY)
            bpf_map__set_max_entries(map, SMALL_MAP);
    }
    return object;
}

/* One program alone, so that each gets its own answer. */
static bool load_one(const char *path, const char *name)
{
    struct bpf_object *object = open_object(path);
    struct bpf_program *program;
    char *log = calloc(1, LOG_BYTES);
    int r = -ENOMEM;

    if (!object || !log)
        goto out;
    bpf_object__for_each_program(program, object)
    {
        bool wanted = strcmp(bpf_program__name(program), name) == 0;

        bpf_program__set_autoload(program, wanted);
        if (wanted) {
            bpf_program__set_log_buf(program, log, LOG_BYTES);
            bpf_program__set_log_level(program, verbose ? 2 : 1);
        }
    }
    r = bpf_object__load(object);
    if (r == -ENOSPC) { /* the log did not fit, which says nothing about the program */
        bpf_object__close(object);
        object = open_object(path);
        bpf_object__for_each_program(program, object)
            bpf_program__set_autoload(program, strcmp(bpf_program__name(program), name) == 0);
        r = bpf_object__load(object);
    }
out:
    printf("RESULT %s load:%s%s%s\n", r == 0 ? "ok" : "FAIL", name, r == 0 ? "" : " ",
           r == 0 ? "" : strerror(-r));
    if (r != 0)
        print_failure(log);
    else if (verbose)
        print_indented(log, strlen(log));
    fflush(stdout);
    free(log);
    bpf_object__close(object);
    return r == 0;
}

static int attach_tc(struct bpf_program *program)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex("lo"));
    LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = bpf_program__fd(program), .handle = 1, .priority = 1);
    int r;

    hook.attach_point =
        strstr(bpf_program__name(program), "egress") ? BPF_TC_EGRESS : BPF_TC_INGRESS;
    r = bpf_tc_hook_create(&hook);
    if (r != 0 && r != -EEXIST)
        return r;
    return bpf_tc_attach(&hook, &opts);
}

static bool attach_one(struct bpf_program *program, int cgroup_fd)
{
    const char *name = bpf_program__name(program), *how = "link";
    int r = 0;

    switch (bpf_program__type(program)) {
    case BPF_PROG_TYPE_CGROUP_SKB:
    case BPF_PROG_TYPE_CGROUP_SOCK:
    case BPF_PROG_TYPE_CGROUP_SOCK_ADDR:
    case BPF_PROG_TYPE_CGROUP_SOCKOPT:
    case BPF_PROG_TYPE_CGROUP_SYSCTL:
    case BPF_PROG_TYPE_SOCK_OPS:
        if (!bpf_program__attach_cgroup(program, cgroup_fd)) /* stays until we exit */
            r = -errno;
        break;
    case BPF_PROG_TYPE_SCHED_CLS:
        how = "tc";
        r = attach_tc(program);
        break;
    case BPF_PROG_TYPE_TRACING:
        if (!bpf_program__attach(program))
            r = -errno;
        break;
    default:
        return true;
    }
    printf("RESULT %s attach:%s %s%s%s\n", r == 0 ? "ok" : "FAIL", name, how, r == 0 ? "" : ": ",
           r == 0 ? "" : strerror(-r));
    return r == 0;
}

/* `explained`: a program that failed alone was shown with its log, no need to show it again. */
static bool load_and_attach_all(const char *path, const char *cgroup, bool explained)
{
    struct bpf_object *object = open_object(path);
    struct bpf_program *program;
    bool good;
    int cgroup_fd = -1, r = -EINVAL;

    if (object)
        r = bpf_object__load(object);
    printf("RESULT %s load:whole_object%s%s\n", r == 0 ? "ok" : "FAIL", r == 0 ? "" : " ",
           r == 0 ? "" : strerror(-r));
    good = r == 0;
    if (!good && !explained)
        print_failure(NULL);
    if (good && cgroup) {
        cgroup_fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (cgroup_fd < 0) {
            printf("RESULT FAIL attach %s: %s\n", cgroup, strerror(errno));
            good = false;
        } else {
            bpf_object__for_each_program(program, object) good =
                attach_one(program, cgroup_fd) && good;
            close(cgroup_fd);
        }
    }
    bpf_object__close(object);
    return good;
}

int main(int argc, char **argv)
{
    const char *cgroup = NULL;
    struct bpf_object *object;
    struct bpf_program *program;
    bool good = true;
    int option;

    while ((option = getopt(argc, argv, "vfc:")) != -1) {
        switch (option) {
        case 'v':
            verbose = true;
            break;
        case 'f':
            full_size = true;
            break;
        case 'c':
            cgroup = optarg;
            break;
        default:
            return 2;
        }
    }
    if (optind + 1 != argc) {
        fprintf(stderr, "usage: load [-v] [-f] [-c CGROUP] OBJECT.o\n");
        return 2;
    }
    libbpf_set_print(keep_words);
    object = open_object(argv[optind]);
    if (!object) {
        printf("RESULT FAIL open %s: %s\n", argv[optind], strerror(errno));
        print_failure(NULL);
        return 1;
    }
    bpf_object__for_each_program(program, object) good =
        load_one(argv[optind], bpf_program__name(program)) && good;
    bpf_object__close(object);
    return load_and_attach_all(argv[optind], cgroup, !good) && good ? 0 : 1;
}
