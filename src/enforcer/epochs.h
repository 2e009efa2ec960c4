/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The X25519 key pairs of mode: console. Made at each start and every EPOCHS_ROTATE_MS; the private
 * half never leaves memory. A file in the state directory remembers the number of the last one, and
 * number and public half of the one in use: peers go on knowing that one while the kernel works
 * with it and connections made with it are under way, however often the daemon starts meanwhile.
 */

#include <stdbool.h>
#include <stdint.h>

#include "link/link.h"
#include "wire/wire.h"

#define EPOCHS_FILE "epoch.json"
#define EPOCHS_ROTATE_MS (24ull * 3600 * 1000)

struct epochs {
    struct epochs_pair {
        bool there;
        uint16_t epoch;
        uint8_t private_key[WIRE_KEY_BYTES];
        uint8_t public_key[WIRE_KEY_BYTES];
    } used, next;             /* next: made, not yet known to the others */
    struct link_key previous; /* in use before `next`, or `used`; public half; epoch 0: none */
};

/* Another pair as `next`, and the file. -EIO, -errno of the file (then the pair counts all the
 * same) */
int epochs_make(const char *state, struct epochs *epochs);
/* `next` is known to others: use it. */
void epochs_switch(struct epochs *epochs);
/* The kernel works with `used`: remember it. 0, -ENOMEM, -errno of the file */
int epochs_in_use(const char *state, const struct epochs *epochs);
/* What others shall know: newest first. @return how many */
size_t epochs_public(const struct epochs *epochs, struct link_key ret[2]);
void epochs_wipe(struct epochs *epochs);
