/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the parts of schema share. Private to schema. */

#include "schema/schema.h"

#define SCHEMA_ATTRIBUTES_MAX 128
#define SCHEMA_SLOTS 256 /* a power of two, more than the attributes */
#define SCHEMA_PROBLEM_TEXT_MAX 2048

/* Attributes of a kind with those of its mixins, and a hash over their names; made at first use. */
struct schema_index {
    _Atomic unsigned ready;
    size_t n;
    const struct schema_attribute *attributes[SCHEMA_ATTRIBUTES_MAX];
    uint8_t slots[SCHEMA_SLOTS]; /* 1 + place in attributes; 0: free */
};
/* At file scope: one index for the kind that names it. */
#define SCHEMA_INDEX (&(struct schema_index){0})
#define SCHEMA_ATTRIBUTES(array) .attributes = (array), .n_attributes = ARRAY_SIZE(array)
#define SCHEMA_SUB_ROUTES(array) .sub_routes = (array), .n_sub_routes = ARRAY_SIZE(array)
#define SCHEMA_KEYS(array) .keys = (array), .n_keys = ARRAY_SIZE(array)
#define SCHEMA_WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define SCHEMA_ALL_VERBS (SCHEMA_LIST | SCHEMA_CREATE | SCHEMA_GET | SCHEMA_UPDATE | SCHEMA_DELETE)
/* Filled in by the Console, the same for every reader. */
#define SCHEMA_ANSWER (SCHEMA_READ_ONLY | SCHEMA_TRANSIENT)

const struct schema_index *schema_index_of(const struct schema_kind *kind);
/* Place of an attribute in the index, -1 when there is none. */
int schema_index_find(const struct schema_index *index, const char *name);

/* The attributes of one mixin bit; "ID" for 0. */
const struct schema_attribute *schema_mixin_attributes(unsigned mixin, size_t *ret_n);

/* Kinds by file; kinds.c puts them together. Each ends with NULL. */
extern const struct schema_kind *const schema_kinds_policy[],
    *const schema_kinds_units[], *const schema_kinds_enforcers[],
                                     *const schema_kinds_mapping[],
                                         *const schema_kinds_access[],
                                             *const schema_kinds_tokens[],
                                                 *const schema_kinds_operation[],
                                                     *const schema_kinds_import[],
                                                         *const schema_kinds_hidden[];
/* The ones that kinds of other files embed. */
extern const struct schema_kind schema_kind_apiauthorizationpolicy, schema_kind_export,
    schema_kind_networkrule, schema_kind_processingunit;

/* ---- Values ---- */

/* Where in an object: a list on the stack that becomes text only when there is a problem. */
struct schema_path {
    const struct schema_path *parent;
    const char *key; /* NULL: an index */
    size_t index;
};
void schema_path_put(struct buf *text, const struct schema_path *path);
void schema_report(struct schema_problems *problems, const struct schema_path *path,
                   const char *format, ...) _printf_(3, 4);
/* Put the path in front of the attributes of all problems from the n-th on. */
void schema_problems_prefix(struct schema_problems *problems, size_t n,
                            const struct schema_path *path);
/* No room for one more, which is counted then: what it says need not be worked out. */
bool schema_problems_full(struct schema_problems *problems);
/* "a string 'abc'", "an integer '5'", "a list" */
void schema_found(struct buf *text, const json_t *value);

/* The default: a fresh value, NULL on ENOMEM. */
json_t *schema_fallback(const struct schema_attribute *attribute);
bool schema_is_default(const struct schema_attribute *attribute, const json_t *value);
bool schema_is_empty(const json_t *value);

struct schema_acceptance {
    enum schema_writer writer;
    struct schema_problems *problems;
    bool no_memory;
};
/* The value in its stored form, new reference; NULL after a problem was added or for no_memory. */
json_t *schema_value_accept(struct schema_acceptance *acceptance,
                            const struct schema_attribute *attribute, const json_t *value,
                            const struct schema_path *path);
json_t *schema_object_accept(struct schema_acceptance *acceptance, const struct schema_kind *kind,
                             const json_t *given, const json_t *stored, bool partial,
                             const struct schema_path *path);

/* ---- Checks of attributes (checks.c, checks_policy.c) ---- */

schema_check_fn schema_check_name, schema_check_free_tag, schema_check_metadata_tag,
    schema_check_org_tag, schema_check_tag, schema_check_namespace_name, schema_check_namespace,
    schema_check_version, schema_check_cidr, schema_check_network, schema_check_unicast_network,
    schema_check_port, schema_check_host_port, schema_check_entry, schema_check_object_map,
    schema_check_cron, schema_check_native_name, schema_check_interface, schema_check_permission,
    schema_check_identity, schema_check_prefix, schema_check_certificates, schema_check_public_key,
    schema_check_request, schema_check_email, schema_check_id;
schema_whole_fn schema_whole_unique, schema_whole_networks, schema_whole_entries,
    schema_whole_ports, schema_whole_host_ports, schema_whole_clauses, schema_whole_claims,
    schema_whole_rules;
