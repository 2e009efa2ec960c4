/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/daemon.h"

#include <errno.h>

static void closed(uv_handle_t *handle)
{
    free(handle);
}

int poll_new(uv_loop_t *loop, int fd, uv_poll_cb callback, void *data, uv_poll_t **ret)
{
    uv_poll_t *poll = calloc(1, sizeof(*poll));
    int r;

    if (!poll)
        return -ENOMEM;
    r = uv_poll_init(loop, poll, fd);
    if (r < 0) {
        free(poll);
        return r;
    }
    poll->data = data;
    r = uv_poll_start(poll, UV_READABLE, callback);
    if (r < 0)
        poll_close(&poll);
    else
        *ret = poll;
    return r;
}

void poll_close(uv_poll_t **poll)
{
    if (*poll)
        uv_close((uv_handle_t *)*poll, closed);
    *poll = NULL;
}
