/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Functions return 0 or a negative number: -errno, or one of these. The range starts above every
 * errno of Linux (4095 is the highest the kernel can return).
 */
enum bulkhead_error {
    BULKHEAD_ERROR_BASE = 4096,
    BULKHEAD_EINVALID_INPUT = 4096, /* the user's input is wrong; the diagnostics say where */
    BULKHEAD_ETOOMANY,              /* a named maximum was reached */
    BULKHEAD_EIDENTITY_COLLISION,   /* two tag sets have the same identity id */
    BULKHEAD_EKERNEL,               /* the kernel lacks something that is needed */
    BULKHEAD_EPRIVILEGE,            /* a capability is missing */
    BULKHEAD_ELAYOUT,               /* pinned objects of another layout version */
    BULKHEAD_ELOCKED,               /* the database is locked for maintenance */
    BULKHEAD_ERROR_END
};

/* Text for any of the above or for an errno; `error` may have either sign. Never NULL. */
const char *error_text(int error);
