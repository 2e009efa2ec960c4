/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/epochs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <openssl/evp.h>

#include "base/file.h"

#define FILE_BYTES_MAX 4096
#define KEY_TEXT_LEN 44 /* 32 bytes in base64 */

static char *path_in(const char *state)
{
    char *path;

    return asprintf(&path, "%s/%s", state, EPOCHS_FILE) < 0 ? NULL : path;
}

/* {"epoch": 7, "key": "…"}; what is anything else leaves *ret alone. */
static void read_key(const json_t *json, struct link_key *ret)
{
    unsigned char bytes[WIRE_KEY_BYTES + 4];
    const char *key = json_string_value(json_object_get(json, "key"));
    json_int_t epoch = json_integer_value(json_object_get(json, "epoch"));

    if (key && strlen(key) == KEY_TEXT_LEN && epoch > 0 && epoch <= UINT16_MAX &&
        EVP_DecodeBlock(bytes, (const unsigned char *)key, KEY_TEXT_LEN) == WIRE_KEY_BYTES + 1) {
        ret->epoch = (uint16_t)epoch;
        memcpy(ret->public_key, bytes, WIRE_KEY_BYTES);
    }
}

static void read_file(const char *state, struct link_key *ret_last, struct link_key *ret_used)
{
    _cleanup_free_
    char *path = path_in(state), *text = NULL;
    json_t *json = NULL;
    size_t len;

    if (!path || file_read(path, FILE_BYTES_MAX, &text, &len) < 0)
        return;
    json = json_loadb(text, len, 0, NULL);
    read_key(json, ret_last);
    read_key(json_object_get(json, "used"), ret_used);
    json_decref(json);
}

static int write_file(const char *state, const struct epochs_pair *last,
                      const struct link_key *used)
{
    char key[KEY_TEXT_LEN + 1], used_key[KEY_TEXT_LEN + 1], text[256];
    _cleanup_free_
    char *path = path_in(state);

    if (!path)
        return -ENOMEM;
    EVP_EncodeBlock((unsigned char *)key, last->public_key, WIRE_KEY_BYTES);
    EVP_EncodeBlock((unsigned char *)used_key, used->public_key, WIRE_KEY_BYTES);
    snprintf(text, sizeof(text),
             "{\"epoch\": %u, \"key\": \"%s\", \"used\": {\"epoch\": %u, \"key\": \"%s\"}}\n",
             last->epoch, key, used->epoch, used_key);
    return file_write_atomic(path, text, strlen(text), 0600);
}

static struct link_key public_of(const struct epochs_pair *pair)
{
    struct link_key key = {.epoch = pair->epoch};

    memcpy(key.public_key, pair->public_key, WIRE_KEY_BYTES);
    return key;
}

int epochs_make(const char *state, struct epochs *epochs)
{
    struct link_key last = {0}, used = {0};
    int r;

    if (epochs->used.there)
        last = used = public_of(&epochs->used);
    else
        read_file(state, &last, &used);
    r = wire_keypair_new(epochs->next.private_key, epochs->next.public_key);
    if (r < 0)
        return r;
    epochs->next.epoch = last.epoch == UINT16_MAX ? 1 : (uint16_t)(last.epoch + 1);
    epochs->next.there = true;
    epochs->previous = used.epoch ? used : last; /* a file of an older version has only that */
    return write_file(state, &epochs->next, &epochs->previous);
}

int epochs_in_use(const char *state, const struct epochs *epochs)
{
    const struct link_key used = public_of(&epochs->used);

    return write_file(state, &epochs->used, &used);
}

void epochs_switch(struct epochs *epochs)
{
    explicit_bzero(&epochs->used, sizeof(epochs->used));
    epochs->used = epochs->next;
    explicit_bzero(&epochs->next, sizeof(epochs->next));
}

size_t epochs_public(const struct epochs *epochs, struct link_key ret[2])
{
    const struct epochs_pair *newest = epochs->next.there ? &epochs->next : &epochs->used;
    size_t n = 0;

    if (newest->there) {
        ret[n].epoch = newest->epoch;
        memcpy(ret[n++].public_key, newest->public_key, WIRE_KEY_BYTES);
    }
    if (n && epochs->previous.epoch)
        ret[n++] = epochs->previous;
    return n;
}

void epochs_wipe(struct epochs *epochs)
{
    explicit_bzero(epochs, sizeof(*epochs));
}
