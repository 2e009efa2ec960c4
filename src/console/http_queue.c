/* SPDX-License-Identifier: Apache-2.0 */
#include "console/http_internal.h"

#include <errno.h>
#include <string.h>

#define ITEMS_FIRST 4
#define GATHER_BELOW 4096 /* bigger ones are written from where they are */

int http_payload_raw(const void *data, size_t len, const void *more, size_t more_len,
                     struct http_payload **ret)
{
    struct http_payload *payload = malloc(sizeof(*payload) + len + more_len);

    if (!payload)
        return -ENOMEM;
    payload->refs = 1;
    payload->len = len + more_len;
    payload->data = payload->own;
    payload->owned = NULL;
    if (len)
        memcpy(payload->data, data, len);
    if (more_len)
        memcpy(payload->data + len, more, more_len);
    *ret = payload;
    return 0;
}

int http_payload_take(struct buf *buf, struct http_payload **ret)
{
    struct http_payload *payload = malloc(sizeof(*payload));

    assert(!buf->error && buf->data);

    if (!payload)
        return -ENOMEM;
    payload->refs = 1;
    payload->len = buf->len;
    payload->owned = buf_steal(buf);
    payload->data = (uint8_t *)payload->owned;
    *ret = payload;
    return 0;
}

int http_payload_frame(enum http_opcode opcode, const void *data, size_t len,
                       struct http_payload **ret)
{
    uint8_t header[HTTP_FRAME_HEADER_MAX];
    size_t header_len = http_frame_header(opcode, len, header);

    return http_payload_raw(header, header_len, data, len, ret);
}

int http_payload_new(const void *data, size_t len, bool text, struct http_payload **ret)
{
    assert(data || len == 0);
    assert(ret);
    return http_payload_frame(text ? HTTP_OPCODE_TEXT : HTTP_OPCODE_BINARY, data, len, ret);
}

struct http_payload *http_payload_ref(struct http_payload *payload)
{
    assert(payload->refs > 0);
    payload->refs++;
    return payload;
}

void http_payload_unref(struct http_payload **payload)
{
    struct http_payload *p = TAKE_PTR(*payload);

    if (!p || --p->refs > 0)
        return;
    free(p->owned);
    free(p);
}

static int make_room(struct http_queue *queue)
{
    struct http_payload **items;
    size_t size;

    if (queue->n < queue->size)
        return 0;
    if (queue->head > queue->size / 2) {
        memmove(queue->items, queue->items + queue->head,
                (queue->n - queue->head) * sizeof(struct http_payload *));
        queue->n -= queue->head;
        queue->head = 0;
        return 0;
    }
    size = queue->size ? queue->size * 2 : ITEMS_FIRST;
    items = reallocarray(queue->items, size, sizeof(struct http_payload *));
    if (!items)
        return -ENOMEM;
    queue->items = items;
    queue->size = size;
    return 0;
}

int http_queue_push(struct http_queue *queue, struct http_payload *payload)
{
    int r = make_room(queue);

    if (r < 0)
        return r;
    queue->items[queue->n++] = http_payload_ref(payload);
    queue->bytes += payload->len + HTTP_PAYLOAD_COST;
    return 0;
}

/* An idle connection has no memory here. */
void http_queue_clear(struct http_queue *queue)
{
    while (queue->head < queue->n)
        http_payload_unref(&queue->items[queue->head++]);
    free(queue->items);
    *queue = (struct http_queue){0};
}

void http_queue_sent(struct http_queue *queue, size_t len)
{
    queue->offset += len;
    while (queue->head < queue->n && queue->offset >= queue->items[queue->head]->len) {
        struct http_payload **first = &queue->items[queue->head++];

        queue->offset -= (*first)->len;
        queue->bytes -= (*first)->len + HTTP_PAYLOAD_COST;
        http_payload_unref(first);
    }
    if (queue->head == queue->n)
        http_queue_clear(queue);
}

/*
 * Called again after a write that could not be done, this gives at least the same bytes, as
 * SSL_write() wants: what is decided here depends on the front of the queue only, and the queue
 * grows at its end.
 */
const uint8_t *http_queue_peek(const struct http_queue *queue,
                               uint8_t scratch[HTTP_RECORD_BYTES_MAX], size_t *ret_len)
{
    const struct http_payload *first = queue->items[queue->head];
    size_t offset = queue->offset, len = 0;

    if (first->len - offset >= GATHER_BELOW || queue->head + 1 == queue->n) {
        *ret_len = first->len - offset;
        return first->data + offset;
    }
    for (size_t i = queue->head; i < queue->n && len < HTTP_RECORD_BYTES_MAX; i++) {
        const struct http_payload *item = queue->items[i];
        size_t n = MIN(item->len - offset, HTTP_RECORD_BYTES_MAX - len);

        memcpy(scratch + len, item->data + offset, n);
        len += n;
        offset = 0;
    }
    *ret_len = len;
    return scratch;
}
