/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"
#include "console/http.h"
#include "console/limits.h"
#include "schema/schema.h"

/* What goes wrong for a client: the product's list of {code, title, description, subject, data,
 * trace} (product reference 4.1). */
struct api_error {
    int status; /* 0: none */
    const char *title;
    char description[1024];
    char attribute[256];    /* data.attribute; "" */
    unsigned retry_after_s; /* of 429 and 503; 0: the usual */
};
void api_error_set(struct api_error *error, int status, const char *title, const char *format, ...)
    _printf_(4, 5);
/* 429: `who` has asked for too much of that kind. */
void api_error_limit(struct api_error *error, enum limit kind, const char *who, uint32_t wait_s);
/* From errno-style results of commit and objects: 404, 409, 422, 503, 507 … */
void api_error_result(struct api_error *error, int result, const char *what);
/* JSON list of one, or of all problems (each a 422 with data.attribute). */
json_t *api_error_json(const struct api_error *error, const struct schema_problems *problems,
                       const char *trace);
