/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#define MPSCAN_DEPTH_MAX 24

/*
 * Walk MessagePack bytes without allocating, before a library that trusts the counts it reads does:
 * one complete value, nothing after it, no count larger than what follows, at most `values_max`
 * values, nesting at most MPSCAN_DEPTH_MAX, no extension types.
 *
 * @return 0; -EPROTO truncated, trailing bytes or a reserved byte; -E2BIG a limit was reached
 */
int mpscan(const void *data, size_t len, size_t values_max);
