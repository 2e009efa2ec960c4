/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/hash.h"
#include "base/log.h"
#include "console/push_internal.h"

/*
 * Numbers for identities that have none. Two bookkeeping objects a number: identityrecord, named by
 * a digest of (namespace, tags), and identitynumber, named by the number. The database refuses the
 * second of either name, so Consoles that race agree afterwards.
 */

#define BATCH_MAX 512

struct numbering {
    struct push *push;
    struct change_set *set;
    size_t n;
    int result;
};

static int record_name(const char *namespace, const struct tag_set *tags,
                       char ret[2 * SHA256_BYTES + 1])
{
    _cleanup_buf_ struct buf text = BUF_INIT(1 << 20);
    uint8_t digest[SHA256_BYTES];
    int r;

    buf_printf(&text, "%s\n", namespace);
    for (size_t i = 0; i < tags->n; i++)
        buf_printf(&text, "%s\n", tags->tags[i]);
    if (text.error)
        return text.error;
    r = hash_sha256(text.data, text.len, digest);
    for (size_t i = 0; i < SHA256_BYTES; i++)
        snprintf(ret + 2 * i, 3, "%02x", digest[i]);
    return r;
}

static int number_one(struct numbering *numbering, const char *namespace,
                      const struct tag_set *tags, uint32_t number)
{
    _cleanup_(json_decrefp) json_t *record = NULL, *taken = NULL;
    char name[2 * SHA256_BYTES + 1], decimal[16], id[SCHEMA_ID_LEN + 1];
    json_t *list = json_array();
    int r = record_name(namespace, tags, name);

    for (size_t i = 0; i < tags->n && list; i++)
        json_array_append_new(list, json_string(tags->tags[i]));
    snprintf(decimal, sizeof(decimal), "%u", number);
    record = json_pack("{s:s, s:I, s:s, s:o}", "name", name, "number", (json_int_t)number,
                       "identityNamespace", namespace, "tags", list);
    taken = json_pack("{s:s, s:s}", "name", decimal, "record", name);
    if (!record || !taken)
        return -ENOMEM;
    if (r == 0)
        r = change_set_create(numbering->set, schema_kind_find("identityrecord"), "/", record, id);
    if (r == 0)
        r = change_set_create(numbering->set, schema_kind_find("identitynumber"), "/", taken, id);
    return r;
}

static void number_missing(void *context, const char *namespace, const struct tag_set *tags,
                           uint32_t candidate)
{
    struct numbering *numbering = context;

    if (numbering->result < 0 || numbering->n == BATCH_MAX)
        return;
    numbering->result = number_one(numbering, namespace, tags, candidate);
    numbering->n++;
}

static void numbered(void *context, int result, size_t failed_op, uint64_t revision)
{
    struct push *push = context;

    push->identities_busy = false;
    if (result < 0 && result != -EEXIST)
        log_event(LOG_LEVEL_WARN, "push.identities_not_stored",
                  LOG_F("problem", "%s", error_text(result)));
    /* -EEXIST: another Console was first; its record arrives, and the rest is tried again. The
     * sweep comes back to the others. */
    if (result == 0)
        push_flush_later(push);
}

void identities_number(struct push *push)
{
    struct numbering numbering = {.push = push};

    if (push->identities_busy || change_set_new(&numbering.set) < 0)
        return;
    render_missing(push->render, number_missing, &numbering);
    if (numbering.result < 0 || numbering.n == 0) {
        change_set_free(&numbering.set);
        return;
    }
    push->identities_busy = true;
    commit_submit(push->console->commit, &numbering.set, numbered, push);
}
