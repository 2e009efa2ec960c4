/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One-time passwords by time, RFC 6238 over RFC 4226: SHA-1, 30 seconds, six digits. Pure. */

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

#define TOTP_SECRET_BYTES 20
#define TOTP_SECRET_BYTES_MAX 64
#define TOTP_STEP_MS 30000
#define TOTP_DIGITS 6
#define TOTP_WINDOW 1 /* steps before and behind: clocks differ, people type slowly */

/* The code of one step. -EIO. */
int totp_code(const uint8_t *secret, size_t len, int64_t step, unsigned digits, uint32_t *ret_code);
/*
 * @param after  the step whose code was accepted last: neither it nor an older one is taken again
 * @return 0 and the step that `code` is of; -EACCES; -EINVAL: `secret` is not base32; -EIO
 */
int totp_check(const char *secret, const char *code, int64_t now_ms, int64_t after,
               int64_t *ret_step);
/* A random secret in base32 (RFC 4648 6) without padding; owned by the caller. */
int totp_secret_new(char **ret);
/* -EINVAL, -ENOSPC */
int totp_base32_decode(const char *text, uint8_t *bytes, size_t size, size_t *ret_len);
/* otpauth://totp/… as authenticators read it; owned by the caller, NULL on ENOMEM. */
char *totp_uri(const char *secret, const char *issuer, const char *account);
