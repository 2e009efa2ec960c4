/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Life of the kernel objects. Pins of one enforced cgroup are in PIN_ROOT/cgroup-ID/: links/NAME
 * and maps-vVERSION/NAME. A new daemon finds the links and puts its own programs behind them
 * (bpf_link_update: no packet meets a gap), reusing the maps when their layout version is its own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"

#include "internal.h"

#include "bulkhead.skel.h"
#include "synack.skel.h"

#define PIN_ROOT "/sys/fs/bpf/bulkhead"

enum hook_when {
    HOOK_ALWAYS,
    HOOK_STORAGE,      /* where the kernel has sk_storage in this kind of program */
    HOOK_HOST_SOCKETS, /* while somebody asks which sockets are the host's */
};

static const struct {
    const char *program, *hook;
    enum hook_when when;
} hooks[] = {
    {"bulkhead_ingress", "cgroup_skb/ingress", HOOK_ALWAYS},
    {"bulkhead_egress", "cgroup_skb/egress", HOOK_ALWAYS},
    {"bulkhead_sockops", "sock_ops", HOOK_ALWAYS},
    {"bulkhead_connect4", "cgroup/connect4", HOOK_ALWAYS},
    {"bulkhead_connect6", "cgroup/connect6", HOOK_ALWAYS},
    {"bulkhead_create", "cgroup/sock_create", HOOK_ALWAYS},
    {"bulkhead_release", "cgroup/sock_release", HOOK_HOST_SOCKETS},
    {"bulkhead_bind4", "cgroup/post_bind4", HOOK_STORAGE},
    {"bulkhead_bind6", "cgroup/post_bind6", HOOK_STORAGE},
};
static_assert(ARRAY_SIZE(hooks) <= LINKS_MAX, "room for all links");

static char *load_message; /* where libbpf's last words go while an object is loaded */

static int print_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
    if (level == LIBBPF_WARN && load_message && !load_message[0])
        vsnprintf(load_message, DATAPATH_MESSAGE_MAX, format, args);
    return 0;
}

static int config_copy(struct datapath *dp, const struct datapath_config *config)
{
    const struct cidr_list *lists[2] = {config->target_networks, config->excluded_networks};
    struct cidr_list *copies[2] = {&dp->target, &dp->excluded};
    const char *problem;
    char text[IP_TEXT_MAX + 1];
    size_t i, j, n = 0;

    for (i = 0; i < 2; i++) {
        for (j = 0; lists[i] && j < lists[i]->n_included; j++)
            if (cidr_list_add(copies[i], ip_prefix_format(&lists[i]->included[j], text), &problem) <
                0)
                return -ENOMEM;
        for (j = 0; lists[i] && j < lists[i]->n_excluded; j++) {
            text[0] = '!';
            ip_prefix_format(&lists[i]->excluded[j], text + 1);
            if (cidr_list_add(copies[i], text, &problem) < 0)
                return -ENOMEM;
        }
    }
    if (config->own_cgroup)
        snprintf(dp->own_cgroup, sizeof(dp->own_cgroup), "%s", config->own_cgroup);
    while (config->excluded_interfaces && config->excluded_interfaces[n])
        n++;
    dp->excluded_interfaces = calloc(n + 1, sizeof(*dp->excluded_interfaces));
    for (i = 0; dp->excluded_interfaces && i < n; i++)
        dp->excluded_interfaces[i] = strdup(config->excluded_interfaces[i]);
    return dp->excluded_interfaces ? 0 : -ENOMEM;
}

static int paths_find(struct datapath *dp, const struct datapath_config *config)
{
    const char *root = strcmp(config->cgroup_root, "/") == 0 ? "" : config->cgroup_root;
    uint64_t id;
    int r = cgroup_mount_find(dp->cgroup_mount);

    if (r < 0)
        return r;
    if (snprintf(dp->cgroup_path, sizeof(dp->cgroup_path), "%s%s", dp->cgroup_mount, root) >=
        (int)sizeof(dp->cgroup_path))
        return -ENAMETOOLONG;
    id = cgroup_id_of(dp->cgroup_path);
    if (!id)
        return -ENOENT;
    if (snprintf(dp->pin_dir, sizeof(dp->pin_dir), "%s/cgroup-%" PRIu64,
                 config->pin_root ? config->pin_root : PIN_ROOT,
                 id) >= (int)sizeof(dp->pin_dir) - 64)
        return -ENAMETOOLONG;
    dp->control.root_level = 0;
    for (; *root; root++)
        dp->control.root_level += *root == '/' && root[1];
    return 0;
}

static int pin_path(const struct datapath *dp, char path[PATH_BYTES * 2], const char *kind,
                    const char *name)
{
    snprintf(path, PATH_BYTES * 2, "%s/%s%s%s", dp->pin_dir, kind, name ? "/" : "",
             name ? name : "");
    return 0;
}

#define MAPS_DIR_TEXT(v) "maps-v" #v
#define MAPS_DIR_EXPAND(v) MAPS_DIR_TEXT(v)
#define MAPS_DIR_VERSION 4
static_assert(MAPS_DIR_VERSION == ABI_VERSION, "raise both");
#define MAPS_DIR MAPS_DIR_EXPAND(MAPS_DIR_VERSION)

/* Are the maps of an earlier run there, in our layout? */
static bool pins_adoptable(const struct datapath *dp)
{
    char path[PATH_BYTES * 2];
    struct bpf_map *map;

    bpf_object__for_each_map(map, dp->skeleton->obj)
    {
        pin_path(dp, path, MAPS_DIR, bpf_map__name(map));
        if (access(path, F_OK) < 0)
            return false;
    }
    return true;
}

void directory_remove(const char *path)
{
    char child[PATH_BYTES * 2];
    struct dirent *entry;
    DIR *dir = opendir(path);

    while (dir && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
        if (unlink(child) < 0 && (errno == EISDIR || errno == EPERM))
            directory_remove(child);
    }
    if (dir)
        closedir(dir);
    rmdir(path);
}

static int maps_pin_paths(struct datapath *dp)
{
    char path[PATH_BYTES * 2];
    struct bpf_map *map;
    int r = 0;

    pin_path(dp, path, MAPS_DIR, NULL);
    r = dir_make(path, 0700);
    bpf_object__for_each_map(map, dp->skeleton->obj)
    {
        if (r < 0)
            break;
        pin_path(dp, path, MAPS_DIR, bpf_map__name(map));
        r = bpf_map__set_pin_path(map, path);
    }
    return r;
}

static struct bpf_program *program_of(struct datapath *dp, size_t i)
{
    return bpf_object__find_program_by_name(dp->skeleton->obj, hooks[i].program);
}

static void optional_choose(struct datapath *dp)
{
    const bool wanted[] = {
        [HOOK_ALWAYS] = true,
        [HOOK_STORAGE] =
            libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SOCK, BPF_FUNC_sk_storage_get, NULL) == 1,
        [HOOK_HOST_SOCKETS] = host_sockets_wanted(dp),
    };
    size_t i;

    for (i = 0; i < ARRAY_SIZE(hooks); i++)
        bpf_program__set_autoload(program_of(dp, i), wanted[hooks[i].when]);
}

static int load(struct datapath *dp, bool *ret_adopted, char message[DATAPATH_MESSAGE_MAX])
{
    char path[PATH_BYTES * 2];
    bool adoptable;
    int r;

    dp->skeleton = bulkhead_bpf__open();
    if (!dp->skeleton)
        return -errno;
    optional_choose(dp);
    pin_path(dp, path, "links", NULL);
    dp->links_found = access(path, F_OK) == 0;
    adoptable = pins_adoptable(dp);
    if (!adoptable) {
        pin_path(dp, path, MAPS_DIR, NULL);
        directory_remove(path);
    }
    r = maps_pin_paths(dp);
    if (r < 0)
        return r;
    r = bulkhead_bpf__load(dp->skeleton);
    if (r < 0) {
        if (!message[0])
            snprintf(message, DATAPATH_MESSAGE_MAX, "the kernel does not take the BPF programs: %s",
                     error_text(r));
        return r;
    }
    *ret_adopted = adoptable;
    return 0;
}

/* A pinned cgroup link must be detached by hand: removing the pin alone would wait for other users.
 */
static void link_detach(struct datapath *dp, size_t i)
{
    char path[PATH_BYTES * 2];
    struct bpf_link *link = dp->links[i];

    pin_path(dp, path, "links", hooks[i].program);
    if (!link && access(path, F_OK) == 0)
        link = bpf_link__open(path);
    if (!link)
        return;
    bpf_link__detach(link);
    bpf_link__disconnect(link);
    bpf_link__destroy(link);
    dp->links[i] = NULL;
    unlink(path);
}

/* Put our program behind the pinned link, or make and pin a new one. */
static int link_attach(struct datapath *dp, size_t i)
{
    char path[PATH_BYTES * 2];
    struct bpf_link *link;
    int r;

    if (!bpf_program__autoload(program_of(dp, i))) {
        link_detach(dp, i); /* an earlier run may have wanted it */
        return 0;
    }
    pin_path(dp, path, "links", hooks[i].program);
    link = bpf_link__open(path);
    if (link &&
        bpf_link_update(bpf_link__fd(link), bpf_program__fd(program_of(dp, i)), NULL) == 0) {
        dp->links[i] = link;
        return 0;
    }
    if (link) {
        bpf_link__disconnect(link);
        bpf_link__destroy(link);
        unlink(path);
    }
    link = bpf_program__attach_cgroup(program_of(dp, i), dp->cgroup_fd);
    if (!link)
        return -errno;
    r = bpf_link__pin(link, path);
    if (r < 0) {
        bpf_link__destroy(link);
        return r;
    }
    dp->links[i] = link;
    return 0;
}

static int links_attach(struct datapath *dp)
{
    char path[PATH_BYTES * 2];
    size_t i;
    int r;

    pin_path(dp, path, "links", NULL);
    r = dir_make(path, 0700);
    for (i = 0; i < ARRAY_SIZE(hooks) && r == 0; i++)
        r = link_attach(dp, i);
    return r;
}

/* Maps of other layouts: nothing uses them any more once the links run our programs. */
static void old_layouts_remove(const struct datapath *dp)
{
    char path[PATH_BYTES * 2];
    struct dirent *entry;
    DIR *dir = opendir(dp->pin_dir);

    while (dir && (entry = readdir(dir))) {
        if (strncmp(entry->d_name, "maps-v", 6) != 0 || strcmp(entry->d_name, MAPS_DIR) == 0)
            continue;
        pin_path(dp, path, entry->d_name, NULL);
        directory_remove(path);
    }
    if (dir)
        closedir(dir);
}

static int control_start(struct datapath *dp, const struct datapath_config *config, bool adopted)
{
    __u32 zero = 0;
    uint32_t root_level = dp->control.root_level;

    if (adopted &&
        bpf_map_lookup_elem(bpf_map__fd(dp->skeleton->maps.control), &zero, &dp->control) < 0)
        return -errno;
    if (!adopted)
        dp->control.host_pu = ABI_PU_NONE;
    dp->control.root_level = root_level;
    host_namespace_find(dp);
    memcpy(dp->control.own_sockets, dp->resets.cookies, sizeof(dp->control.own_sockets));
    if (!adopted || !config->keep_epoch || dp->control.enforcer_id != config->enforcer_id)
        dp->control.epoch = config->epoch;
    dp->next_epoch = (uint16_t)dp->control.epoch;
    /* also when an earlier run, or this one until it had registered, could prove nothing */
    dp->listeners_pending = config->enforcer_id && (!adopted || !dp->control.enforcer_id ||
                                                    dp->control.flags & ABI_CONTROL_ANSWERS);
    dp->control.enforcer_id = config->enforcer_id;
    dp->control.flags &= ~(uint32_t)ABI_CONTROL_IDENTITY;
    if (config->enforcer_id)
        dp->control.flags |= ABI_CONTROL_IDENTITY;
    dp->next_class = dp->next_version = 1;
    if (!dp->control.generation)
        generation_bump(dp, true);
    if (adopted)
        return pus_adopt(dp) < 0 ? -EIO : control_write(dp);
    return control_write(dp);
}

static int open_all(struct datapath *dp, const struct datapath_config *config, bool *ret_adopted,
                    char message[DATAPATH_MESSAGE_MAX])
{
    int r = config_copy(dp, config);

    if (r == 0)
        r = paths_find(dp, config);
    if (r == 0)
        r = root_take(dp, message);
    if (r < 0)
        return r;
    resets_open(&dp->resets); /* before the hooks see sockets being made */
    r = load(dp, ret_adopted, message);
    if (r == 0)
        r = control_start(dp, config, *ret_adopted);
    if (r == 0 && !*ret_adopted)
        r = addresses_sync(dp, NULL, dp->control.bank);
    if (r == 0)
        r = own_cgroup_exempt(dp);
    if (r == 0)
        r = links_attach(dp);
    if (r == 0)
        r = host_sockets_sync(dp);
    if (r == 0)
        r = tc_sync(dp);
    if (r == 0)
        r = events_open(dp);
    if (r < 0)
        return r;
    raw_protocols_sync(dp);
    old_layouts_remove(dp);
    root_pins_sweep(dp);
    return 0;
}

int datapath_open(const struct datapath_config *config, struct datapath **ret, bool *ret_adopted,
                  char message[DATAPATH_MESSAGE_MAX])
{
    struct datapath *dp = calloc(1, sizeof(*dp));
    libbpf_print_fn_t print;
    bool adopted = false;
    int r;

    if (!dp)
        return -ENOMEM;
    message[0] = '\0';
    load_message = message;
    print = libbpf_set_print(print_libbpf);
    dp->cgroup_fd = -1;
    resets_init(&dp->resets);
    dp->host_enabled = config->host_enabled;
    dp->services_enabled = config->services;
    r = open_all(dp, config, &adopted, message);
    load_message = NULL;
    libbpf_set_print(print);
    if (r < 0) {
        if (!message[0])
            snprintf(message, DATAPATH_MESSAGE_MAX, "cannot attach to %.400s: %s", dp->cgroup_path,
                     error_text(r));
        /* what an earlier run put in force stays, also when its maps cannot be adopted */
        if (!adopted && dp->pin_dir[0] && !dp->links_found)
            datapath_detach(dp);
        datapath_free(&dp);
        return r;
    }
    message[0] = '\0';
    *ret_adopted = adopted;
    *ret = dp;
    return 0;
}

void datapath_free(struct datapath **datapath)
{
    struct datapath *dp = *datapath;
    size_t i;

    *datapath = NULL;
    if (!dp)
        return;
    for (i = 0; i < LINKS_MAX; i++) {
        if (!dp->links[i])
            continue;
        bpf_link__disconnect(dp->links[i]); /* the pin keeps it */
        bpf_link__destroy(dp->links[i]);
    }
    ring_buffer__free(dp->ring);
    synack_bpf__destroy(dp->synack); /* what is attached stays */
    bulkhead_bpf__destroy(dp->skeleton);
    close_fd(&dp->cgroup_fd);
    resets_close(&dp->resets);
    cidr_list_clear(&dp->target);
    cidr_list_clear(&dp->excluded);
    strv_free(&dp->excluded_interfaces);
    namespaces_close(dp);
    for (i = 0; i < dp->pus_end; i++)
        free(dp->pus[i].cgroup);
    while (dp->retired) {
        struct retired *next = dp->retired->next;

        free(dp->retired);
        dp->retired = next;
    }
    free(dp->walked);
    free(dp->services);
    free(dp->peer_addresses);
    free(dp->classes);
    free(dp->versions);
    for (i = 0; i < ABI_BANKS; i++)
        free(dp->addresses[i]);
    free(dp);
}

int datapath_detach(struct datapath *dp)
{
    size_t i;

    for (i = 0; i < ARRAY_SIZE(hooks); i++)
        link_detach(dp, i);
    answers_detach(dp);
    tc_detach();
    directory_remove(dp->pin_dir);
    return 0;
}

int datapath_detach_pinned(const struct datapath_config *config, char message[DATAPATH_MESSAGE_MAX])
{
    struct datapath *dp = calloc(1, sizeof(*dp));
    libbpf_print_fn_t print = libbpf_set_print(print_libbpf);
    int r;

    message[0] = '\0';
    if (!dp)
        return -ENOMEM;
    dp->cgroup_fd = -1;
    resets_init(&dp->resets);
    r = paths_find(dp, config);
    if (r == 0)
        r = root_take(dp, message); /* a daemon may run with another state directory */
    if (r == 0)
        r = datapath_detach(dp);
    else if (!message[0])
        snprintf(message, DATAPATH_MESSAGE_MAX, "cgroupRoot %s: %s", config->cgroup_root,
                 error_text(r));
    libbpf_set_print(print);
    datapath_free(&dp);
    return r;
}

int datapath_programs(struct datapath *dp, struct datapath_program **ret, size_t *ret_n)
{
    enum { PROGRAMS_MAX = 256 };
    struct datapath_program *list = calloc(PROGRAMS_MAX, sizeof(*list));
    size_t i, n = 0;

    if (!list)
        return -ENOMEM;
    for (i = 0; i < ARRAY_SIZE(hooks); i++) {
        if (!dp->links[i] && hooks[i].when != HOOK_ALWAYS)
            continue;
        list[n].hook = hooks[i].hook;
        list[n++].attached = dp->links[i] && root_holds(dp, dp->links[i]);
    }
    tc_programs(dp, list, PROGRAMS_MAX, &n);
    *ret = list;
    *ret_n = n;
    return 0;
}

const char *datapath_warning(const struct datapath *dp, unsigned which)
{
    if (which == 0 && dp->old_listeners)
        return "this kernel cannot give an identity to services that listened before the Enforcer "
               "was first started; restart them";
    if (which == 1 && dp->namespaces_unknown)
        return "this kernel (before 5.14) does not say which network namespace a socket is in: "
               "excludedInterfaces and host services are without effect";
    return NULL;
}
