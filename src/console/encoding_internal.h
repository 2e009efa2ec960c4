/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "console/encoding.h"

json_t *encoding_json_decode(const char *text, size_t len, char *problem, size_t problem_size);
void encoding_json_append(const json_t *value, struct buf *buf);
json_t *encoding_msgpack_decode(const uint8_t *data, size_t len, char *problem,
                                size_t problem_size);
void encoding_msgpack_append(const json_t *value, struct buf *buf);
void encoding_msgpack_list(size_t n, struct buf *buf);
