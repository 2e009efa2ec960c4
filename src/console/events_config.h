/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a client of /events wants to hear: PushConfig {identities, filters, parameters}. Pure. */

#include <jansson.h>

#include "schema/filter.h"
#include "schema/schema.h"

#define EVENTS_PROBLEM_MAX 512

enum events_type { EVENTS_CREATE = 1, EVENTS_UPDATE = 2, EVENTS_DELETE = 4 };
#define EVENTS_TYPES_ALL (EVENTS_CREATE | EVENTS_UPDATE | EVENTS_DELETE)
/* "create"; 0 for an unknown word */
enum events_type events_type_of(const char *word);

struct events_identity {
    const struct schema_kind *kind;
    unsigned types; /* enum events_type, as bits */
    struct filter *filter;
};

struct events_config {
    struct events_identity *identities; /* none: everything is wanted */
    size_t n;
    char *token;  /* a new one, or NULL */
    bool selects; /* says something about identities or filters, if only that there are none */
};

/*
 * Unknown names are refused; the language of filters is restricted to ==, !=, matches, exists, not
 * exists, and, or. What is null counts as not there.
 * @return 0; -EINVAL with `problem`; -ENOMEM
 */
int events_config_parse(const json_t *json, int64_t now_ms, char problem[EVENTS_PROBLEM_MAX],
                        struct events_config *ret);
void events_config_clear(struct events_config *config);
/* Without a look into the object: is this kind and type wanted? *ret_filter: what it must match. */
bool events_config_wants(const struct events_config *config, const struct schema_kind *kind,
                         enum events_type type, const struct filter **ret_filter);
