/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/wsframe.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/text.h"

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 1.3 */
#define FIN 0x80
#define MASK 0x80
#define LEN_16 126
#define LEN_64 127
#define REASON_MAX 200

void wsframe_reader_init(struct wsframe_reader *reader, size_t message_max)
{
    *reader = (struct wsframe_reader){.input = BUF_INIT(message_max + 65536),
                                      .message = BUF_INIT(message_max)};
}

void wsframe_reader_clear(struct wsframe_reader *reader)
{
    buf_free(&reader->input);
    buf_free(&reader->message);
}

static void drop_used(struct wsframe_reader *reader)
{
    if (reader->used)
        buf_consume(&reader->input, reader->used);
    reader->used = 0;
}

int wsframe_feed(struct wsframe_reader *reader, const void *data, size_t len)
{
    drop_used(reader);
    buf_append(&reader->input, data, len);
    return reader->input.error == -ENOSPC ? -EMSGSIZE : reader->input.error;
}

struct header {
    bool fin;
    enum wsframe_opcode opcode;
    size_t size;
    uint64_t len;
};

/* @return 1, 0: more is needed, -EPROTO */
static int read_header(const uint8_t *at, size_t n, struct header *ret)
{
    unsigned len, extra;

    if (n < 2)
        return 0;
    len = at[1] & 0x7f;
    extra = len == LEN_16 ? 2 : len == LEN_64 ? 8 : 0;
    if (at[0] & 0x70 || at[1] & MASK)
        return -EPROTO;
    if (n < 2 + extra)
        return 0;
    ret->fin = at[0] & FIN;
    ret->opcode = (enum wsframe_opcode)(at[0] & 0x0f);
    ret->size = 2 + extra;
    ret->len = extra ? 0 : len;
    for (unsigned i = 0; i < extra; i++)
        ret->len = ret->len << 8 | at[2 + i];
    return 1;
}

static int check_header(const struct wsframe_reader *reader, const struct header *header)
{
    switch (header->opcode) {
    case WSFRAME_CONTINUATION:
        return reader->in_message ? 0 : -EPROTO;
    case WSFRAME_TEXT:
    case WSFRAME_BINARY:
        return reader->in_message ? -EPROTO : 0;
    case WSFRAME_CLOSE:
    case WSFRAME_PING:
    case WSFRAME_PONG:
        return header->fin && header->len <= WSFRAME_CONTROL_MAX ? 0 : -EPROTO;
    }
    return -EPROTO;
}

/* A fragment of a message. @return 1 when it was the last */
static int take_fragment(struct wsframe_reader *reader, const struct header *header,
                         const uint8_t *payload, struct wsframe_event *ret)
{
    if (header->opcode != WSFRAME_CONTINUATION) {
        reader->opcode = header->opcode;
        reader->in_message = true;
        if (header->fin) { /* the usual case: one frame, not copied */
            reader->in_message = false;
            *ret = (struct wsframe_event){header->opcode, payload, (size_t)header->len};
            return 1;
        }
        buf_free(&reader->message);
        reader->message = BUF_INIT(reader->message.max);
    }
    buf_append(&reader->message, payload, (size_t)header->len);
    if (reader->message.error)
        return reader->message.error == -ENOSPC ? -EMSGSIZE : reader->message.error;
    if (!header->fin)
        return 0;
    reader->in_message = false;
    *ret = (struct wsframe_event){reader->opcode, reader->message.data ? reader->message.data : "",
                                  reader->message.len};
    return 1;
}

int wsframe_next(struct wsframe_reader *reader, struct wsframe_event *ret)
{
    for (;;) {
        struct header header;
        const uint8_t *at;
        int r;

        drop_used(reader);
        at = (const uint8_t *)reader->input.data;
        r = read_header(at, reader->input.len, &header);
        if (r <= 0)
            return r;
        r = check_header(reader, &header);
        if (r < 0)
            return r;
        if (header.len > reader->message.max)
            return -EMSGSIZE;
        if (reader->input.len - header.size < header.len)
            return 0;
        reader->used = header.size + (size_t)header.len;
        if (header.opcode >= WSFRAME_CLOSE) {
            *ret = (struct wsframe_event){header.opcode, at + header.size, (size_t)header.len};
            return 1;
        }
        r = take_fragment(reader, &header, at + header.size, ret);
        if (r != 0)
            return r;
    }
}

int wsframe_put(struct buf *out, enum wsframe_opcode opcode, const void *data, size_t len)
{
    uint8_t header[WSFRAME_HEADER_MAX] = {(uint8_t)(FIN | opcode)}, mask[4];
    size_t n = 2, at;

    if (RAND_bytes(mask, sizeof(mask)) != 1)
        return -EIO;
    if (len < LEN_16) {
        header[1] = (uint8_t)(MASK | len);
    } else {
        unsigned extra = len <= UINT16_MAX ? 2 : 8;

        header[1] = (uint8_t)(MASK | (extra == 2 ? LEN_16 : LEN_64));
        for (unsigned i = 0; i < extra; i++)
            header[n++] = (uint8_t)((uint64_t)len >> (8 * (extra - 1 - i)));
    }
    buf_append(out, header, n);
    buf_append(out, mask, sizeof(mask));
    at = out->len;
    buf_append(out, data, len);
    if (out->error)
        return out->error;
    for (size_t i = 0; i < len; i++)
        out->data[at + i] = (char)(out->data[at + i] ^ mask[i & 3]);
    return 0;
}

/* ---- Handshake -------------------------------------------------------------------------------
 */

int wsframe_request(struct buf *out, const char *host, const char *path, const char *protocol,
                    const char *version, char ret_key[WSFRAME_KEY_TEXT])
{
    uint8_t random[16];

    if (RAND_bytes(random, sizeof(random)) != 1)
        return -EIO;
    EVP_EncodeBlock((unsigned char *)ret_key, random, sizeof(random));
    buf_printf(out,
               "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Protocol: %s\r\nUser-Agent: bulkhead-enforcer/%s\r\n\r\n",
               path, host, ret_key, protocol, version);
    return out->error;
}

static int expected_accept(const char *key, char ret[32])
{
    char text[WSFRAME_KEY_TEXT + sizeof(GUID)];
    unsigned char digest[20];
    unsigned int len = 0;

    snprintf(text, sizeof(text), "%s%s", key, GUID);
    if (!EVP_Digest(text, strlen(text), digest, &len, EVP_sha1(), NULL) || len != sizeof(digest))
        return -EIO;
    EVP_EncodeBlock((unsigned char *)ret, digest, sizeof(digest));
    return 0;
}

/* Value of a header of the head, without spaces around it. */
static bool header_is(const char *head, size_t len, const char *name, const char *value)
{
    size_t name_len = strlen(name), value_len = strlen(value);
    const char *line = head;

    while ((line = memchr(line, '\n', len - (size_t)(line - head)))) {
        size_t left = len - (size_t)(++line - head);
        const char *at = line + name_len + 1;

        if (left < name_len + 1 + value_len || strncasecmp(line, name, name_len) != 0 ||
            line[name_len] != ':')
            continue;
        while ((size_t)(at - head) < len && (*at == ' ' || *at == '\t'))
            at++;
        if ((size_t)(at - head) + value_len < len && strncasecmp(at, value, value_len) == 0 &&
            (at[value_len] == '\r' || at[value_len] == ' '))
            return true;
    }
    return false;
}

static int refused(const char *data, size_t len, size_t head, struct buf *problem)
{
    const char *line_end = memchr(data, '\r', head);
    json_t *json = json_loadb(data + head, len - head, 0, NULL);
    const char *description =
        json_string_value(json_object_get(json_array_get(json, 0), "description"));

    buf_puts(problem, "the Console answers ");
    text_quote(problem, data, line_end ? (size_t)(line_end - data) : head);
    if (description || len > head)
        buf_puts(problem, ": ");
    if (description)
        text_quote(problem, description, MIN(strlen(description), (size_t)REASON_MAX));
    else if (len > head)
        text_quote(problem, data + head, MIN(len - head, (size_t)REASON_MAX));
    json_decref(json);
    return memcmp(data + 9, "426", 3) == 0 ? -EPROTONOSUPPORT : -EACCES;
}

int wsframe_answer(const char *data, size_t len, const char *key, const char *protocol,
                   size_t *ret_head, struct buf *problem)
{
    const char *end = len ? memmem(data, len, "\r\n\r\n", 4) : NULL;
    char accept[32];
    size_t head;

    if (!end) {
        if (len < WSFRAME_ANSWER_BYTES_MAX)
            return 0;
        buf_puts(problem, "found no end of the answer's head");
        return -EPROTO;
    }
    head = (size_t)(end - data) + 4;
    if (head < 13 || memcmp(data, "HTTP/1.1 ", 9) != 0) {
        buf_puts(problem, "found an answer that is not HTTP/1.1: is this a Console?");
        return -EPROTO;
    }
    if (memcmp(data + 9, "101", 3) != 0)
        return refused(data, len, head, problem);
    if (expected_accept(key, accept) < 0 ||
        !header_is(data, head, "Sec-WebSocket-Accept", accept) ||
        !header_is(data, head, "Sec-WebSocket-Protocol", protocol)) {
        buf_printf(problem, "found a WebSocket that does not speak %s", protocol);
        return -EPROTO;
    }
    *ret_head = head;
    return 1;
}
