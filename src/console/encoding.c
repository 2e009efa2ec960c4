/* SPDX-License-Identifier: Apache-2.0 */
#include "console/encoding.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "console/encoding_internal.h"

#define WEIGHT_ONE 1000

static const struct media {
    const char *name;
    enum encoding encoding;
} medias[] = {
    {"application/json", ENCODING_JSON},
    {"application/msgpack", ENCODING_MSGPACK},
    {"application/x-msgpack", ENCODING_MSGPACK},
};

static bool same(const char *text, size_t len, const char *word)
{
    return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

static bool media_find(const char *text, size_t len, enum encoding *ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(medias); i++) {
        if (same(text, len, medias[i].name)) {
            *ret = medias[i].encoding;
            return true;
        }
    }
    return false;
}

static size_t trimmed(const char *text, size_t len)
{
    while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        len--;
    return len;
}

/* The value of a parameter after "type/subtype"; NULL when it is not there. */
static const char *parameter(const char *media, const char *end, const char *name, size_t *ret_len)
{
    const char *at = memchr(media, ';', (size_t)(end - media));

    while (at) {
        const char *next;
        size_t len;

        at++;
        at += strspn(at, " \t");
        next = at < end ? memchr(at, ';', (size_t)(end - at)) : NULL;
        len = at < end ? (size_t)((next ? next : end) - at) : 0;
        if (len > strlen(name) && strncasecmp(at, name, strlen(name)) == 0 &&
            at[strlen(name)] == '=') {
            at += strlen(name) + 1;
            *ret_len = trimmed(at, len - strlen(name) - 1);
            return at;
        }
        at = next;
    }
    return NULL;
}

int encoding_of_content(const char *content_type, enum encoding *ret)
{
    size_t len = trimmed(content_type, strcspn(content_type, ";")), charset_len;
    const char *end = content_type + strlen(content_type), *charset;

    assert(ret);

    if (!*content_type) {
        *ret = ENCODING_JSON;
        return 0;
    }
    charset = parameter(content_type, end, "charset", &charset_len);
    if (charset && !same(charset, charset_len, "utf-8") && !same(charset, charset_len, "\"utf-8\""))
        return -EINVAL;
    return media_find(content_type, len, ret) ? 0 : -EINVAL;
}

/* "0.8" → 800; what is not a weight counts as one. */
static unsigned weight_of(const char *media, const char *end)
{
    size_t len;
    const char *text = parameter(media, end, "q", &len);
    unsigned weight = 0, unit = WEIGHT_ONE / 10;

    if (!text || len == 0 || (*text != '0' && *text != '1'))
        return WEIGHT_ONE;
    if (*text == '1')
        return WEIGHT_ONE;
    for (size_t i = 2; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
        weight += unit * (unsigned)(text[i] - '0');
        unit /= 10;
    }
    return weight;
}

int encoding_choose(const char *accept, enum encoding *ret)
{
    unsigned weights[] = {[ENCODING_JSON] = 0, [ENCODING_MSGPACK] = 0};
    bool named[] = {false, false};
    enum encoding first = ENCODING_JSON, encoding;
    unsigned any = 0;

    assert(ret);

    *ret = ENCODING_JSON;
    if (!accept[strspn(accept, " \t,")])
        return 0;
    while (*(accept += strspn(accept, " \t,"))) {
        const char *end = accept + strcspn(accept, ",");
        size_t len = trimmed(accept, MIN(strcspn(accept, ";"), (size_t)(end - accept)));

        if (media_find(accept, len, &encoding)) {
            if (!named[ENCODING_JSON] && !named[ENCODING_MSGPACK])
                first = encoding;
            named[encoding] = true;
            weights[encoding] = MAX(weights[encoding], weight_of(accept, end));
        } else if (same(accept, len, "*/*") || same(accept, len, "application/*")) {
            any = MAX(any, weight_of(accept, end));
        }
        accept = end;
    }
    if (!named[ENCODING_JSON])
        weights[ENCODING_JSON] = any;
    if (weights[ENCODING_JSON] == 0 && weights[ENCODING_MSGPACK] == 0)
        return -EINVAL;
    if (weights[ENCODING_MSGPACK] > weights[ENCODING_JSON] ||
        (weights[ENCODING_MSGPACK] == weights[ENCODING_JSON] && first == ENCODING_MSGPACK))
        *ret = ENCODING_MSGPACK;
    return 0;
}

const char *encoding_content_type(enum encoding encoding)
{
    return encoding == ENCODING_JSON ? "application/json" : "application/msgpack";
}

json_t *encoding_decode(enum encoding encoding, const void *data, size_t len, char *problem,
                        size_t problem_size)
{
    assert(data || len == 0);
    assert(problem);
    assert(problem_size > 0);

    *problem = '\0';
    if (len == 0) {
        snprintf(problem, problem_size, "the body is empty");
        return NULL;
    }
    if (encoding == ENCODING_JSON)
        return encoding_json_decode(data, len, problem, problem_size);
    return encoding_msgpack_decode(data, len, problem, problem_size);
}

void encoding_append(enum encoding encoding, const json_t *value, struct buf *buf)
{
    if (encoding == ENCODING_JSON)
        encoding_json_append(value, buf);
    else
        encoding_msgpack_append(value, buf);
}

void encoding_list_begin(enum encoding encoding, size_t n, struct buf *buf)
{
    if (encoding == ENCODING_JSON)
        buf_puts(buf, "[");
    else
        encoding_msgpack_list(n, buf);
}

void encoding_list_next(enum encoding encoding, size_t i, struct buf *buf)
{
    if (encoding == ENCODING_JSON && i)
        buf_puts(buf, ",");
}

void encoding_list_end(enum encoding encoding, struct buf *buf)
{
    if (encoding == ENCODING_JSON)
        buf_puts(buf, "]");
}

/* ---- Of a length that is not known yet ---------------------------------------------------------
 */

#define MSGPACK_LIST_32 0xdd
#define MSGPACK_MAP_32 0xdf

void encoding_begin(enum encoding encoding, bool is_map, struct buf *buf, struct encoding_open *ret)
{
    const char head[] = {(char)(is_map ? MSGPACK_MAP_32 : MSGPACK_LIST_32), 0, 0, 0, 0};

    *ret = (struct encoding_open){.is_map = is_map, .at = buf->len};
    if (encoding == ENCODING_JSON)
        buf_puts(buf, is_map ? "{" : "[");
    else
        buf_append(buf, head, sizeof(head));
}

void encoding_next(enum encoding encoding, struct encoding_open *open, const char *name,
                   struct buf *buf)
{
    json_t *text = name ? json_string(name) : NULL;

    assert(open->is_map == (name != NULL));

    if (encoding == ENCODING_JSON && open->n)
        buf_puts(buf, ",");
    open->n++;
    if (text)
        encoding_append(encoding, text, buf);
    else if (name)
        buf->error = buf->error ? buf->error : -ENOMEM;
    if (name && encoding == ENCODING_JSON)
        buf_puts(buf, ":");
    json_decref(text);
}

void encoding_end(enum encoding encoding, const struct encoding_open *open, struct buf *buf)
{
    if (encoding == ENCODING_JSON)
        buf_puts(buf, open->is_map ? "}" : "]");
    else if (!buf->error)
        for (unsigned i = 0; i < 4; i++)
            buf->data[open->at + 1 + i] = (char)(open->n >> (8 * (3 - i)) & 0xff);
}
