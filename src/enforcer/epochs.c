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

static void read_previous(const char *state, struct link_key *ret)
{
    _cleanup_free_
    char *path = path_in(state), *text = NULL;
    unsigned char bytes[WIRE_KEY_BYTES + 4];
    json_t *json = NULL;
    const char *key;
    json_int_t epoch;
    size_t len;

    if (!path || file_read(path, FILE_BYTES_MAX, &text, &len) < 0)
        return;
    json = json_loadb(text, len, 0, NULL);
    key = json_string_value(json_object_get(json, "key"));
    epoch = json_integer_value(json_object_get(json, "epoch"));
    if (key && strlen(key) == KEY_TEXT_LEN && epoch > 0 && epoch <= UINT16_MAX &&
        EVP_DecodeBlock(bytes, (const unsigned char *)key, KEY_TEXT_LEN) == WIRE_KEY_BYTES + 1) {
        ret->epoch = (uint16_t)epoch;
        memcpy(ret->public_key, bytes, WIRE_KEY_BYTES);
    }
    json_decref(json);
}

static int write_file(const char *state, const struct epochs_pair *pair)
{
    char key[KEY_TEXT_LEN + 1], text[128];
    _cleanup_free_
    char *path = path_in(state);

    if (!path)
        return -ENOMEM;
    EVP_EncodeBlock((unsigned char *)key, pair->public_key, WIRE_KEY_BYTES);
    snprintf(text, sizeof(text), "{\"epoch\": %u, \"key\": \"%s\"}\n", pair->epoch, key);
    return file_write_atomic(path, text, strlen(text), 0600);
}

int epochs_make(const char *state, struct epochs *epochs)
{
    struct link_key last = {0};
    int r;

    if (epochs->used.there) {
        last.epoch = epochs->used.epoch;
        memcpy(last.public_key, epochs->used.public_key, WIRE_KEY_BYTES);
    } else {
        read_previous(state, &last);
    }
    r = wire_keypair_new(epochs->next.private_key, epochs->next.public_key);
    if (r < 0)
        return r;
    epochs->next.epoch = last.epoch == UINT16_MAX ? 1 : (uint16_t)(last.epoch + 1);
    epochs->next.there = true;
    epochs->previous = last;
    return write_file(state, &epochs->next);
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
