/* SPDX-License-Identifier: Apache-2.0 */
#include "console/events_encode.h"

#include <msgpack.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void timestamp(int64_t now_ms, struct buf *buf)
{
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm parts = {0};
    char text[40];

    gmtime_r(&seconds, &parts);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
    buf_printf(buf, "%s.%03dZ", text, (int)(now_ms % 1000));
}

static void encode_json(const json_t *entity, const char *identity, const char *type,
                        int64_t now_ms, struct buf *buf)
{
    buf_puts(buf, "{\"entity\":");
    encoding_append(ENCODING_JSON, entity, buf);
    buf_printf(buf, ",\"identity\":\"%s\",\"type\":\"%s\",\"timestamp\":\"", identity, type);
    timestamp(now_ms, buf);
    buf_printf(buf, "\",\"encoding\":\"%s\"}", encoding_content_type(ENCODING_JSON));
}

static int write_to_buf(void *context, const char *data, size_t len)
{
    struct buf *buf = context;

    buf_append(buf, data, len);
    return buf->error;
}

static void pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str(packer, strlen(text));
    msgpack_pack_str_body(packer, text, strlen(text));
}

static void encode_msgpack(const json_t *entity, const char *identity, const char *type,
                           int64_t now_ms, struct buf *buf)
{
    _cleanup_buf_ struct buf inner = BUF_INIT(buf->max);
    msgpack_timestamp time = {now_ms / 1000, (uint32_t)(now_ms % 1000) * 1000000};
    msgpack_packer packer;

    encoding_append(ENCODING_MSGPACK, entity, &inner);
    if (inner.error) {
        buf->error = inner.error;
        return;
    }
    msgpack_packer_init(&packer, buf, write_to_buf);
    msgpack_pack_map(&packer, 5);
    pack_text(&packer, "entity");
    msgpack_pack_bin(&packer, inner.len);
    msgpack_pack_bin_body(&packer, inner.data, inner.len);
    pack_text(&packer, "identity");
    pack_text(&packer, identity);
    pack_text(&packer, "type");
    pack_text(&packer, type);
    pack_text(&packer, "timestamp");
    msgpack_pack_timestamp(&packer, &time);
    pack_text(&packer, "encoding");
    pack_text(&packer, encoding_content_type(ENCODING_MSGPACK));
}

void events_encode(enum encoding encoding, const json_t *entity, const char *identity,
                   const char *type, int64_t now_ms, struct buf *buf)
{
    if (encoding == ENCODING_JSON)
        encode_json(entity, identity, type, now_ms, buf);
    else
        encode_msgpack(entity, identity, type, now_ms, buf);
}
