/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Import files: rendered, read, checked with the tables, put together into one envelope. */

#include "cli/api/api.h"

/*
 * Values for templates: documents merged in their order, then KEY=VALUE. Pure.
 */
/* Deep: maps are merged, everything else is replaced. 0 or -ENOMEM. */
int values_merge(json_t *values, const json_t *more);
/* "a.b.c" and "text": true, false, null and whole numbers are what they look like, '…' and "…" are
 * texts, {a,b} is a list, everything else is text. 0; -EINVAL: no key; -ENOMEM. */
int values_set(json_t *values, const char *key, size_t key_len, const char *text);

/* {Values: …, Bulkhead: {API, Namespace}, Aporeto: the same}; new reference. */
json_t *envelope_root(const json_t *values, const char *api, const char *namespace);

/* What a source is after rendering. enum cli_exit, with everything said. */
int envelope_render(struct cli_call *call, const struct source *source, const json_t *root,
                    struct template_output *ret);
/*
 * Read a rendered source into `envelope` {APIVersion, label?, data}: objects are added to what is
 * there. Problems are said with file and line of the source.
 * @return enum cli_exit
 */
int envelope_add(struct cli_call *call, const struct source *source,
                 const struct template_output *rendered, json_t *envelope);
size_t envelope_count(const json_t *envelope);
