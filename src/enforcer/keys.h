/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The host's own key file: an X25519 private key (32 bytes), base64, one line, mode 0600.
 */

#include <stdint.h>

#include "wire/wire.h"

#define KEYS_MESSAGE_MAX 512

/*
 * Read the private key. The file must be regular, owned by root or by the daemon's user, and
 * readable by its owner alone. The caller wipes `ret` (keys_wipe).
 * @return 0; -ENOENT; -EPERM (owner or mode), -EINVAL (content), -errno; with the mend in `message`
 */
int keys_load(const char *path, uint8_t ret[WIRE_KEY_BYTES], char message[KEYS_MESSAGE_MAX]);
/* The same, and makes the file (and its directory) when it is missing. */
int keys_load_or_make(const char *path, uint8_t ret[WIRE_KEY_BYTES],
                      char message[KEYS_MESSAGE_MAX]);
void keys_wipe(uint8_t key[WIRE_KEY_BYTES]);
