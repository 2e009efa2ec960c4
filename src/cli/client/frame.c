/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "cli/client/socket.h"

#define CONTROL_BYTES_MAX 125

static int check_head(uint8_t first, uint64_t len)
{
    unsigned opcode = first & 15;
    bool control = opcode & 8;

    if (first & 0x70) /* extensions that nobody asked for */
        return -EPROTO;
    if (opcode > FRAME_PONG || (opcode > FRAME_BINARY && opcode < FRAME_CLOSE))
        return -EPROTO;
    if (control && (!(first & 0x80) || len > CONTROL_BYTES_MAX))
        return -EPROTO;
    return len > SOCKET_MESSAGE_BYTES_MAX ? -E2BIG : 0;
}

int frame_parse(const char *data, size_t len, struct frame *ret, size_t *ret_used)
{
    const uint8_t *bytes = (const uint8_t *)data;
    size_t head = 2;
    uint64_t payload;
    int r;

    if (len < 2)
        return -EAGAIN;
    if (bytes[1] & 0x80) /* servers do not mask */
        return -EPROTO;
    payload = bytes[1];
    if (payload >= 126) {
        size_t n = payload == 126 ? 2 : 8;

        if (len < 2 + n)
            return -EAGAIN;
        payload = 0;
        for (size_t i = 0; i < n; i++)
            payload = payload << 8 | bytes[2 + i];
        head += n;
    }
    r = check_head(bytes[0], payload);
    if (r < 0)
        return r;
    if (len - head < payload)
        return -EAGAIN;
    *ret = (struct frame){.opcode = (enum frame_opcode)(bytes[0] & 15),
                          .final = bytes[0] & 0x80,
                          .payload = data + head,
                          .len = (size_t)payload};
    *ret_used = head + (size_t)payload;
    return 0;
}

void frame_append(enum frame_opcode opcode, const void *data, size_t len, const uint8_t mask[4],
                  struct buf *buf)
{
    uint8_t head[14] = {(uint8_t)(0x80 | opcode)};
    size_t n = 2;

    if (len < 126) {
        head[1] = (uint8_t)(0x80 | len);
    } else {
        size_t bytes = len <= UINT16_MAX ? 2 : 8;

        head[1] = bytes == 2 ? 0x80 | 126 : 0x80 | 127;
        for (size_t i = 0; i < bytes; i++)
            head[n++] = (uint8_t)((uint64_t)len >> 8 * (bytes - 1 - i));
    }
    memcpy(head + n, mask, 4);
    buf_append(buf, head, n + 4);
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = ((const uint8_t *)data)[i] ^ mask[i % 4];

        buf_append(buf, &byte, 1);
    }
}
