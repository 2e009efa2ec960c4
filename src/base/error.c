/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <limits.h>
#include <string.h>

#include "base/macros.h"

static const char *const texts[] = {
    [BULKHEAD_EINVALID_INPUT - BULKHEAD_ERROR_BASE] = "the input is wrong",
    [BULKHEAD_ETOOMANY - BULKHEAD_ERROR_BASE] = "a limit was reached",
    [BULKHEAD_EIDENTITY_COLLISION - BULKHEAD_ERROR_BASE] = "two tag sets have the same identity id",
    [BULKHEAD_EKERNEL - BULKHEAD_ERROR_BASE] = "the kernel lacks something that is needed",
    [BULKHEAD_EPRIVILEGE - BULKHEAD_ERROR_BASE] = "a capability is missing",
    [BULKHEAD_ELAYOUT - BULKHEAD_ERROR_BASE] =
        "pinned kernel objects are of another layout version",
    [BULKHEAD_ELOCKED - BULKHEAD_ERROR_BASE] = "locked for maintenance",
};
static_assert(ARRAY_SIZE(texts) == BULKHEAD_ERROR_END - BULKHEAD_ERROR_BASE, "one text each");

const char *error_text(int error)
{
    const char *text;

    if (error == INT_MIN)
        return "unknown error";
    if (error < 0)
        error = -error;
    if (error >= BULKHEAD_ERROR_BASE && error < BULKHEAD_ERROR_END)
        return texts[error - BULKHEAD_ERROR_BASE];
    text = strerrordesc_np(error);
    return text ? text : "unknown error";
}
