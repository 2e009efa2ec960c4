/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "store/store_internal.h"

int store_postgres_open(const char *uri, const struct store_options *options, struct buf *problem,
                        struct store **ret)
{
    buf_puts(problem, "PostgreSQL is not built in yet");
    return -ENOTSUP;
}
