/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "console/push_internal.h"

/* What a session lacks, as messages. */

#define MESSAGE_BYTES (LINK_MESSAGE_BYTES_MAX - LINK_ENTRY_BYTES_MAX) /* then a new one begins */

struct outbox {
    struct session *session;
    struct link_entry entries[256];
    size_t n, bytes;
    bool reset, sent_any;
    uint64_t revision;
};

static void body_free(struct push *push, struct body *body)
{
    HASH_DEL(push->bodies, body);
    push->bodies_bytes -= body->len;
    free(body->text);
    free(body);
}

void bodies_clear(struct push *push)
{
    struct body *body, *next;

    HASH_ITER(hh, push->bodies, body, next)
    body_free(push, body);
}

static int body_make(struct push *push, const struct render_entry *entry, char **ret,
                     size_t *ret_len)
{
    _cleanup_buf_ struct buf text = BUF_INIT(LINK_ENTRY_BYTES_MAX);
    json_t *claims = NULL;
    int r;

    r = render_entry_body(push->render, entry, &text, &claims);
    if (r == 0 && claims) {
        r = trust_document_sign(push->console->trust, claims, console_now_ms(), ret);
        json_decref(claims);
        *ret_len = r == 0 ? strlen(*ret) : 0;
        return r;
    }
    if (r < 0)
        return r;
    *ret_len = text.len;
    *ret = buf_steal(&text);
    return *ret ? 0 : -ENOMEM;
}

static int body_get(struct push *push, const struct render_item *item, const struct body **ret)
{
    struct body *body = NULL;
    char *text;
    size_t len;
    int r;

    HASH_FIND(hh, push->bodies, &item->entry->id, sizeof(uint64_t), body);
    if (body && body->version == item->version) {
        *ret = body;
        return 0;
    }
    r = body_make(push, item->entry, &text, &len);
    if (r < 0)
        return r;
    if (body)
        body_free(push, body);
    body = calloc(1, sizeof(*body));
    if (!body) {
        free(text);
        return -ENOMEM;
    }
    *body = (struct body){
        .entry_id = item->entry->id, .version = item->version, .text = text, .len = len};
    HASH_ADD(hh, push->bodies, entry_id, sizeof(uint64_t), body);
    push->bodies_bytes += len;
    *ret = body;
    return 0;
}

static void outbox_flush(struct outbox *out, bool last)
{
    const struct link_message message = {
        .type = LINK_DELTA,
        .delta = {.revision = out->revision,
                  .reset = out->reset,
                  .last = last,
                  .entries = out->entries,
                  .n = out->n},
    };

    session_send(out->session, &message);
    out->session->unacked += last;
    out->session->push->counters.deltas++;
    out->session->push->counters.entries += out->n;
    out->n = out->bytes = 0;
    out->reset = false;
    out->sent_any = true;
    /* Bodies of what was sent are not needed any more: keep the cache small on large snapshots. */
    if (out->session->push->bodies_bytes > PUSH_BODIES_BYTES_MAX)
        bodies_clear(out->session->push);
}

static void outbox_add(struct outbox *out, const char *key, uint64_t version, const char *body,
                       size_t len)
{
    out->entries[out->n++] =
        (struct link_entry){.key = key, .version = version, .body = body, .body_len = len};
    out->bytes += len + 64;
    if (out->n == ARRAY_SIZE(out->entries) || out->bytes >= MESSAGE_BYTES)
        outbox_flush(out, false);
}

static int outbox_put(struct outbox *out, const struct render_item *item)
{
    const struct body *body;
    int r = body_get(out->session->push, item, &body);

    if (r == -ENOSPC || r == -EMSGSIZE) { /* more than a message, or a token, can hold */
        log_event(LOG_LEVEL_ERROR, "push.entry_too_long", LOG_F("key", "%s", item->entry->key),
                  LOG_F("limit", "%u", LINK_ENTRY_BYTES_MAX));
        return 0;
    }
    if (r == 0)
        outbox_add(out, item->entry->key, item->version, body->text, body->len);
    return r == -ENOENT ? 0 : r;
}

static void outbox_end(struct outbox *out)
{
    if (out->n > 0 || out->sent_any || out->reset)
        outbox_flush(out, true);
}

static int difference(void *context, const struct render_item *item, bool is_gone)
{
    if (!is_gone)
        return outbox_put(context, item);
    outbox_add(context, item->entry->key, 0, NULL, 0);
    return 0;
}

static int now_scope(struct session *session, struct render_scope *ret)
{
    return render_scope_of(session->push->render, session->enforcer_id, ret);
}

static int whole_scope(struct session *session, struct render_scope *ret,
                       struct render_part **ret_whole)
{
    int r = now_scope(session, ret);

    if (r < 0)
        return r;
    *ret_whole = render_scope_whole(ret);
    return *ret_whole ? 0 : -ENOMEM;
}

static void keep(struct session *session, struct render_scope *now, uint64_t revision)
{
    render_scope_clear(&session->sent);
    session->sent = *now;
    *now = (struct render_scope){0};
    session->revision = revision;
}

int delta_send(struct session *session)
{
    _cleanup_render_scope_ struct render_scope now = {0}, nothing = {0};
    struct outbox out = {.session = session,
                         .revision = objects_revision(session->push->console->objects),
                         .reset = session->reset};
    int r = now_scope(session, &now);

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    /* A key that was dropped and made anew (a number given again) must not be removed last. */
    r = render_scope_compare(session->reset ? &nothing : &session->sent, &now, difference, &out);
    if (r < 0)
        return r;
    outbox_end(&out);
    session->reset = false;
    keep(session, &now, out.revision);
    return 0;
}

int delta_resume(struct session *session, const struct link_digest *digest, bool *ret_step)
{
    _cleanup_render_scope_ struct render_scope now = {0};
    _cleanup_render_part_ struct render_part *whole = NULL;
    struct link_digest own = {{0}};
    int r = whole_scope(session, &now, &whole);

    if (r < 0)
        return r;
    for (size_t i = 0; i < whole->n; i++)
        link_digest_toggle(&own, whole->items[i].entry->key, whole->items[i].version);
    *ret_step = memcmp(&own, digest, sizeof(own)) == 0;
    if (*ret_step)
        keep(session, &now, objects_revision(session->push->console->objects));
    return 0;
}

struct known { /* by key, from the inventory */
    const char *key;
    uint64_t version;
    bool wanted;
    UT_hash_handle hh;
};

static int inventory_compare(struct outbox *out, struct known *table, size_t n, struct known *known,
                             const struct render_part *now)
{
    int r = 0;

    for (size_t i = 0; i < now->n && r == 0; i++) {
        struct known *found = NULL;

        HASH_FIND_STR(table, now->items[i].entry->key, found);
        if (found)
            found->wanted = true;
        if (!found || found->version != now->items[i].version)
            r = outbox_put(out, &now->items[i]);
    }
    for (size_t i = 0; i < n && r == 0; i++)
        if (!known[i].wanted)
            outbox_add(out, known[i].key, 0, NULL, 0);
    return r;
}

/* "h:17": the number of a host; false: something else. */
static bool document_number(const char *key, char type, uint32_t *ret)
{
    char *end = NULL;
    unsigned long number;

    if (key[0] != type || key[1] != ':' || key[2] < '1' || key[2] > '9')
        return false;
    errno = 0;
    number = strtoul(key + 2, &end, 10);
    *ret = (uint32_t)number;
    return !errno && *end == '\0' && number <= UINT32_MAX;
}

/*
 * Documents that the Enforcer has without need were fetched from a Console that has forgotten it
 * (this one before its start, or another): they are asked for again, so to speak, by the same rule,
 * and stay. Else every connection that needs them would wait for a retransmission.
 * @return whether there are any
 */
static bool fetch_again(struct session *session, struct known *table, struct known *known, size_t n,
                        const struct render_part *now)
{
    _cleanup_free_
    uint32_t *hosts = calloc(n + 1, sizeof(*hosts));
    _cleanup_free_
    uint32_t *identities = calloc(n + 1, sizeof(*identities));
    size_t n_hosts = 0, n_identities = 0;
    struct known *found;

    for (size_t i = 0; i < now->n; i++) {
        HASH_FIND_STR(table, now->items[i].entry->key, found);
        if (found)
            found->wanted = true;
    }
    for (size_t i = 0; i < n && hosts && identities; i++) {
        if (known[i].wanted)
            continue;
        n_hosts += document_number(known[i].key, 'h', &hosts[n_hosts]);
        n_identities += document_number(known[i].key, 'i', &identities[n_identities]);
    }
    if (n_hosts + n_identities)
        render_fetch(session->push->render, session->enforcer_id, hosts, n_hosts, identities,
                     n_identities);
    return n_hosts + n_identities > 0;
}

static struct known *known_table(struct known *known, const struct link_entry *entries, size_t n)
{
    struct known *table = NULL, *other;

    for (size_t i = 0; i < n; i++) {
        known[i].key = entries[i].key;
        known[i].version = entries[i].version;
        HASH_FIND_STR(table, known[i].key, other);
        if (other)
            known[i].wanted = true; /* twice the same key: once is enough */
        else
            HASH_ADD_KEYPTR(hh, table, known[i].key, strlen(known[i].key), &known[i]);
    }
    return table;
}

int delta_inventory(struct session *session, const struct link_entry *entries, size_t n)
{
    _cleanup_render_scope_ struct render_scope now = {0};
    _cleanup_render_part_ struct render_part *whole = NULL;
    _cleanup_free_
    struct known *known = calloc(n + 1, sizeof(*known));
    struct outbox out = {.session = session,
                         .revision = objects_revision(session->push->console->objects)};
    struct known *table;
    int r = known ? whole_scope(session, &now, &whole) : -ENOMEM;

    if (r < 0)
        return r;
    table = known_table(known, entries, n);
    if (fetch_again(session, table, known, n, whole)) {
        render_part_unref(&whole);
        render_scope_clear(&now);
        r = whole_scope(session, &now, &whole);
        push_flush_later(session->push); /* those that were fetched are told of this one */
    }
    if (r == 0)
        r = inventory_compare(&out, table, n, known, whole);
    HASH_CLEAR(hh, table);
    if (r < 0)
        return r;
    out.sent_any = true; /* the Enforcer waits for the last one, even when there is nothing */
    outbox_end(&out);
    keep(session, &now, out.revision);
    session->push->counters.snapshots += n == 0;
    return 0;
}
