/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/prctl.h>

#include "base/macros.h"

static const unsigned kept[] = {
    CAP_BPF,     CAP_PERFMON,    CAP_NET_ADMIN,  CAP_SYS_ADMIN,       CAP_SYS_RESOURCE,
    CAP_NET_RAW, CAP_SYS_PTRACE, CAP_SYS_CHROOT, CAP_DAC_READ_SEARCH,
};

int privileges_drop(void)
{
    bool keep[ARRAY_SIZE(kept)];
    bool bounding;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    if (capng_get_caps_process() < 0)
        return -EIO;
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
        keep[i] = capng_have_capability(CAPNG_PERMITTED, kept[i]);
    bounding = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
    capng_clear(bounding ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS);
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
        if (keep[i])
            capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
                         kept[i]);
    return capng_apply(bounding ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS) < 0 ? -EPERM : 0;
}
