/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Passwords as argon2id hashes (RFC 9106). Slow on purpose, about PASSWORD_MEMORY_KIB of memory
 * each: checks of strangers' passwords belong in a thread.
 */

#include <stdbool.h>

#include "base/macros.h"

#define PASSWORD_BYTES_MAX 1024
#define PASSWORD_CHARS_MIN 12
#define PASSWORD_MEMORY_KIB 19456
#define PASSWORD_PASSES 2
#define PASSWORD_LANES 1

/* NULL, or why nobody should have this password: "expected …". */
const char *password_problem(const char *password, const char *account);
/* Encoded with its parameters and a random salt; owned by the caller. -EINVAL: too long; -ENOMEM;
 * -EIO. */
int password_hash(const char *password, char **ret_encoded);
/* Takes as long for a wrong `encoded` (NULL: an account that is not there) as for a right one. */
bool password_verify(const char *encoded, const char *password);
