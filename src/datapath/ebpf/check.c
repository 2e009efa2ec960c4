/* SPDX-License-Identifier: Apache-2.0 */

/* Look before anything is attached; every message says how to mend it. */
#include <cap-ng.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include "internal.h"

#define KERNEL_MAJOR 5
#define KERNEL_MINOR 10
#define BPFFS "/sys/fs/bpf"

static int say(char message[DATAPATH_MESSAGE_MAX], int error, const char *format, ...)
    _printf_(3, 4);

static int say(char message[DATAPATH_MESSAGE_MAX], int error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(message, DATAPATH_MESSAGE_MAX, format, args);
    va_end(args);
    return error;
}

static int check_kernel(char message[DATAPATH_MESSAGE_MAX])
{
    struct utsname name;
    unsigned major = 0, minor = 0;

    if (uname(&name) < 0 || sscanf(name.release, "%u.%u", &major, &minor) != 2)
        return 0; /* an unusual name: the verifier will tell */
    if (major > KERNEL_MAJOR || (major == KERNEL_MAJOR && minor >= KERNEL_MINOR))
        return 0;
    return say(message, -BULKHEAD_EKERNEL,
               "found kernel %s, expected %d.%d or newer; install a newer kernel", name.release,
               KERNEL_MAJOR, KERNEL_MINOR);
}

static int check_capabilities(char message[DATAPATH_MESSAGE_MAX])
{
    static const struct {
        unsigned capability;
        const char *name;
    } needed[] = {{CAP_NET_ADMIN, "CAP_NET_ADMIN"},
                  {CAP_BPF, "CAP_BPF"},
                  {CAP_PERFMON, "CAP_PERFMON"},
                  {CAP_SYS_ADMIN, "CAP_SYS_ADMIN"}};
    char missing[160] = "";
    size_t i, len = 0;

    if (capng_get_caps_process() < 0)
        return 0;
    for (i = 0; i < ARRAY_SIZE(needed); i++)
        if (!capng_have_capability(CAPNG_EFFECTIVE, needed[i].capability))
            len += (size_t)snprintf(missing + len, sizeof(missing) - len, "%s%s", len ? ", " : "",
                                    needed[i].name);
    if (!len)
        return 0;
    return say(message, -BULKHEAD_EPRIVILEGE,
               "missing capabilities: %s; run as root, or give the service CAP_BPF, CAP_NET_ADMIN, "
               "CAP_PERFMON, CAP_SYS_ADMIN, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH",
               missing);
}

static int check_cgroup(const struct datapath_config *config, char message[DATAPATH_MESSAGE_MAX])
{
    char mount_path[PATH_BYTES], path[PATH_BYTES * 2];

    if (cgroup_mount_find(mount_path) < 0)
        return say(message, -BULKHEAD_EKERNEL,
                   "no cgroup2 file system is mounted; mount it: mount -t cgroup2 none "
                   "/sys/fs/cgroup/unified (or boot with systemd.unified_cgroup_hierarchy=1)");
    snprintf(path, sizeof(path), "%s%s", mount_path, config->cgroup_root);
    if (!cgroup_id_of(path))
        return say(message, -ENOENT, "cgroupRoot: no such cgroup: %s; create it: mkdir -p %s", path,
                   path);
    return 0;
}

static int check_bpf(char message[DATAPATH_MESSAGE_MAX])
{
    int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "bulkhead_check", 0, 0, 4096, NULL), error;

    if (fd >= 0) {
        close(fd);
        return 0;
    }
    error = errno;
    if (error == ENOSYS)
        return say(message, -BULKHEAD_EKERNEL,
                   "this kernel has no bpf(): it needs CONFIG_BPF_SYSCALL=y");
    if (error == EPERM)
        return say(message, -BULKHEAD_EPRIVILEGE,
                   "bpf() is not permitted here: a container or security module forbids it");
    return say(message, -BULKHEAD_EKERNEL, "the kernel refuses a BPF ring buffer: %s",
               error_text(error));
}

static bool bpffs_mounted(void)
{
    struct statfs fs;

    return statfs(BPFFS, &fs) == 0 && (unsigned long)fs.f_type == BPF_FS_MAGIC;
}

static int check_bpffs(const struct datapath_config *config, char message[DATAPATH_MESSAGE_MAX])
{
    if (config->pin_root || bpffs_mounted())
        return 0;
    if (mount("bpffs", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") == 0)
        return 0;
    return say(message, -errno,
               "%s is no BPF file system and mounting one fails: %s; mount it: "
               "mount -t bpf bpffs %s",
               BPFFS, error_text(errno), BPFFS);
}

int datapath_check(const struct datapath_config *config, char message[DATAPATH_MESSAGE_MAX])
{
    int r;

    message[0] = '\0';
    r = check_kernel(message);
    if (r == 0)
        r = check_capabilities(message);
    if (r == 0)
        r = check_cgroup(config, message);
    if (r == 0)
        r = check_bpf(message);
    if (r == 0)
        r = check_bpffs(config, message);
    return r;
}
