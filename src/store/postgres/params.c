/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "store/postgres/postgres.h"

/* Types and the binary form of arrays: src/include/catalog/pg_type.dat and array_recv() of
 * PostgreSQL. */
#define OID_INT8 20
#define OID_TEXT 25
#define OID_TEXT_ARRAY 1009
#define OID_INT8_ARRAY 1016
#define ARRAY_COUNT_AT 12 /* where the number of elements is */
#define PARAM_BYTES_MAX (256u << 20)

static void put_u32(struct buf *buf, uint32_t number)
{
    const unsigned char bytes[] = {number >> 24, number >> 16 & 0xff, number >> 8 & 0xff,
                                   number & 0xff};

    buf_append(buf, bytes, sizeof(bytes));
}

static void put_u64(struct buf *buf, uint64_t number)
{
    put_u32(buf, (uint32_t)(number >> 32));
    put_u32(buf, (uint32_t)number);
}

static struct buf *add(struct params *params, Oid type)
{
    assert(params->n < POSTGRES_PARAMS_MAX);
    params->types[params->n] = type;
    params->data[params->n] = BUF_INIT(PARAM_BYTES_MAX);
    return &params->data[params->n++];
}

void params_free(struct params *params)
{
    for (int i = 0; i < params->n; i++)
        buf_free(&params->data[i]);
    *params = (struct params){0};
}

void params_text(struct params *params, const char *text)
{
    struct buf *buf = add(params, OID_TEXT);

    if (text)
        buf_puts(buf, text);
    params->null[params->n - 1] = !text;
}

void params_int(struct params *params, int64_t number)
{
    put_u64(add(params, OID_INT8), (uint64_t)number);
}

void params_arrays(struct params *params, const char *types)
{
    for (; *types; types++) {
        struct buf *buf = add(params, *types == 's' ? OID_TEXT_ARRAY : OID_INT8_ARRAY);

        params->array[params->n - 1] = true;
        put_u32(buf, 1); /* dimensions */
        put_u32(buf, 1); /* there may be NULLs */
        put_u32(buf, *types == 's' ? OID_TEXT : OID_INT8);
        put_u32(buf, 0); /* elements: params_finish() */
        put_u32(buf, 1); /* number of the first */
    }
}

void params_push_text(struct params *params, int array, const char *text, size_t len)
{
    struct buf *buf = &params->data[array];

    params->elements[array]++;
    put_u32(buf, text ? (uint32_t)len : UINT32_MAX);
    if (text)
        buf_append(buf, text, len);
}

void params_push_int(struct params *params, int array, int64_t number)
{
    params->elements[array]++;
    put_u32(&params->data[array], sizeof(number));
    put_u64(&params->data[array], (uint64_t)number);
}

int params_finish(struct params *params)
{
    for (int i = 0; i < params->n; i++) {
        struct buf *buf = &params->data[i];

        buf_append(buf, "", 0); /* an empty text is not NULL */
        if (buf->error)
            return -ENOMEM;
        for (int byte = 0; params->array[i] && byte < 4; byte++)
            buf->data[ARRAY_COUNT_AT + byte] = (char)(params->elements[i] >> (24 - 8 * byte));
    }
    return 0;
}

size_t params_bytes(const struct params *params)
{
    size_t bytes = 0;

    for (int i = 0; i < params->n; i++)
        bytes += params->data[i].len;
    return bytes;
}
