/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A look into compact JSON text without parsing all of it: members of an object, elements of a
 * list, one after the other. For texts that a JSON library wrote; on anything else it stops early
 * and never reads past the end.
 */

#include <stdbool.h>
#include <stddef.h>

struct json_slice {
    const char *text;
    size_t len;
};

struct json_scan {
    const char *at, *end;
    char close; /* '}' or ']' */
    bool first;
};

/* `text` is an object or a list; anything else has no members. */
void json_scan_begin(struct json_scan *scan, const char *text, size_t len);
/* Next member or element; false at the end. `ret_key`: without quotes, escapes left as they are;
 * empty for elements of a list. */
bool json_scan_next(struct json_scan *scan, struct json_slice *ret_key,
                    struct json_slice *ret_value);
/* A member of the object at the top. */
bool json_scan_find(const char *text, size_t len, const char *key, struct json_slice *ret_value);
bool json_slice_is(const struct json_slice *slice, const char *text);
/* A JSON string decoded; owned by the caller, NULL when it is none or on ENOMEM. */
char *json_slice_string(const struct json_slice *slice);
