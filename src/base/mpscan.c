/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mpscan.h"

#include <errno.h>
#include <stdint.h>

struct scan {
    const uint8_t *at, *end;
    uint64_t open[MPSCAN_DEPTH_MAX]; /* values still to come, per level */
    unsigned depth;
};

static int take_number(struct scan *scan, unsigned bytes, uint64_t *ret)
{
    uint64_t value = 0;

    if ((size_t)(scan->end - scan->at) < bytes)
        return -EPROTO;
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | *scan->at++;
    *ret = value;
    return 0;
}

static int skip(struct scan *scan, uint64_t bytes)
{
    if ((uint64_t)(scan->end - scan->at) < bytes)
        return -EPROTO;
    scan->at += bytes;
    return 0;
}

static int open_container(struct scan *scan, uint64_t values)
{
    if (values > (uint64_t)(scan->end - scan->at)) /* each value is a byte at least */
        return -EPROTO;
    if (values == 0)
        return 0;
    if (scan->depth == MPSCAN_DEPTH_MAX)
        return -E2BIG;
    scan->open[scan->depth++] = values;
    return 0;
}

/* Formats of 0xc0 to 0xdf: how many bytes of length or payload, and what they mean. */
enum meaning { NOTHING, PAYLOAD, LENGTH, ARRAY, MAP, WRONG };
static const struct {
    uint8_t bytes;
    uint8_t meaning;
} formats[32] = {
    [0x00] = {0, NOTHING}, [0x01] = {0, WRONG},   [0x02] = {0, NOTHING}, [0x03] = {0, NOTHING},
    [0x04] = {1, LENGTH},  [0x05] = {2, LENGTH},  [0x06] = {4, LENGTH},  [0x07] = {0, WRONG},
    [0x08] = {0, WRONG},   [0x09] = {0, WRONG},   [0x0a] = {4, PAYLOAD}, [0x0b] = {8, PAYLOAD},
    [0x0c] = {1, PAYLOAD}, [0x0d] = {2, PAYLOAD}, [0x0e] = {4, PAYLOAD}, [0x0f] = {8, PAYLOAD},
    [0x10] = {1, PAYLOAD}, [0x11] = {2, PAYLOAD}, [0x12] = {4, PAYLOAD}, [0x13] = {8, PAYLOAD},
    [0x14] = {0, WRONG},   [0x15] = {0, WRONG},   [0x16] = {0, WRONG},   [0x17] = {0, WRONG},
    [0x18] = {0, WRONG},   [0x19] = {1, LENGTH},  [0x1a] = {2, LENGTH},  [0x1b] = {4, LENGTH},
    [0x1c] = {2, ARRAY},   [0x1d] = {4, ARRAY},   [0x1e] = {2, MAP},     [0x1f] = {4, MAP},
};

static int scan_long(struct scan *scan, uint8_t format)
{
    uint8_t bytes = formats[format - 0xc0].bytes;
    uint64_t number = 0;
    int r;

    switch (formats[format - 0xc0].meaning) {
    case NOTHING:
        return 0;
    case PAYLOAD:
        return skip(scan, bytes);
    case WRONG:
        return -EPROTO;
    default:
        break;
    }
    r = take_number(scan, bytes, &number);
    if (r < 0)
        return r;
    if (formats[format - 0xc0].meaning == LENGTH)
        return skip(scan, number);
    return open_container(scan, formats[format - 0xc0].meaning == MAP ? 2 * number : number);
}

static int scan_value(struct scan *scan)
{
    uint8_t format;

    if (scan->at == scan->end)
        return -EPROTO;
    format = *scan->at++;
    if (format < 0x80 || format >= 0xe0)
        return 0;
    if (format < 0x90)
        return open_container(scan, 2 * (uint64_t)(format & 0x0f));
    if (format < 0xa0)
        return open_container(scan, format & 0x0f);
    if (format < 0xc0)
        return skip(scan, format & 0x1f);
    return scan_long(scan, format);
}

int mpscan(const void *data, size_t len, size_t values_max)
{
    struct scan scan = {.at = data, .end = (const uint8_t *)data + len};
    size_t values = 0;

    do {
        int r;

        if (++values > values_max)
            return -E2BIG;
        if (scan.depth > 0)
            scan.open[scan.depth - 1]--;
        r = scan_value(&scan);
        if (r < 0)
            return r;
        while (scan.depth > 0 && scan.open[scan.depth - 1] == 0)
            scan.depth--;
    } while (scan.depth > 0);
    return scan.at == scan.end ? 0 : -EPROTO;
}
