/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Import envelopes put in place (product reference 1.12): objects by kind and name are made or
 * brought to what the envelope says; with a label, what an earlier import with the same label made
 * and this one lacks, goes. Used by /import and /importreferences.
 */

#include "console/api.h"

#define IMPORT_LABEL_TAG "@import:label="

struct import {
    struct api_call *call;
    struct change_set *set;
    struct schema_problems *problems;
    struct api_error *error;
    const char *label; /* "" when it has none */
    bool override;
    json_t *changes; /* [{operation, identity, namespace, name, ID, diff}] */
    json_t *kept;    /* IDs of objects that the envelope names */
    size_t n_unchanged;
};

/* `data`: plural → list of objects. @return 0; -EINVAL with problems or error; -errno */
int import_put(struct import *import, const json_t *data);
int import_remove(struct import *import, const json_t *data);
/* What carries the label and was not in the envelope. */
int import_remove_others(struct import *import);
void import_clear(struct import *import);
