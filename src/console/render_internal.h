/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Who points to whom:
 *
 *   label ──▶ rulesets with a subject clause filed under it     (a clause is filed under the one of
 *         ──▶ rulesets with an object clause filed under it      its labels that has the fewest)
 *         ──▶ renderings, identities that carry it
 *   rendering ──▶ rulesets, Enforcers (counted)      ruleset ──▶ renderings, identities it needs
 *   identity ──▶ hosts (counted)                     unit ──▶ rendering, identity, Enforcer
 */

#include <uthash.h>

#include "base/vec.h"
#include "console/jsonscan.h"
#include "console/render.h"

struct label {
    uint32_t subject_uses; /* clauses that name it */
    struct pointers subjects, objects, renderings, identities;
    UT_hash_handle hh;
    char text[];
};

struct clause {
    struct label **labels; /* sorted by address, without duplicates */
    size_t n;
    struct label *filed; /* under which it is posted */
};
struct clauses {
    struct clause *items;
    size_t n;
};

struct counted {
    void *target;
    uint32_t n;
};
struct counts {
    struct counted *items;
    size_t n, size;
};

/* A namespace. Places of names nobody defined exist as well, while something is in them. */
struct place {
    char *name;
    struct place *parent; /* NULL: the root */
    bool defined;
    json_t *body;               /* NULL: not defined */
    char **prefixes;            /* tagPrefixes; NULL: inherits */
    struct render_entry *entry; /* n: */
    struct pointers rulesets, networks, renderings, children;
    UT_hash_handle hh;
};

struct ruleset {
    char *id;
    struct place *place;
    bool propagate, fallback, disabled;
    char *text; /* as policy files have it: compact; values as they are stored */
    struct clauses subject, objects;
    struct render_entry *entry; /* r: */
    struct pointers renderings; /* that have it */
    struct pointers needs;      /* identities */
    uint64_t stamp;
    UT_hash_handle hh;
};

struct network {
    char *id;
    struct place *place;
    bool propagate;
    json_t *body;
    struct render_entry *entry; /* x: */
    UT_hash_handle hh;
};

struct rendering {
    struct place *place;
    size_t key_len;
    struct label **labels; /* sorted by address */
    size_t n_labels;
    char *key; /* place and label addresses: hash key */
    uint32_t units;
    struct counts enforcers;
    struct pointers rulesets;
    struct render_part *part; /* NULL: not worked out yet */
    bool dirty;
    /* render_fetch.c: worked out when somebody asks, unknown again with each change */
    enum { RENDERING_UNKNOWN, RENDERING_CLOSED, RENDERING_OPEN } openness;
    UT_hash_handle hh;
};

struct identity {
    char *key; /* namespace "\n" tag "\n" … */
    char *namespace;
    struct tag_set tags;
    uint32_t number; /* 0: not given yet */
    uint32_t units;
    struct label **labels; /* known ones, sorted by address */
    size_t n_labels;
    struct counts hosts;
    struct render_entry *entry; /* i:; NULL without a number */
    struct pointers rulesets;   /* that need it */
    struct pointers fetched_by; /* Enforcers */
    uint64_t stamp;
    UT_hash_handle hh, hh_number;
};

struct enforcer {
    char *id;
    struct place *place;
    uint32_t number;
    json_t *keys, *addresses;
    char *profile;
    struct pointers units;
    struct counts identities; /* of its units */
    struct pointers fetched_hosts, fetched_identities;
    struct pointers fetched_by;                 /* Enforcers */
    struct render_entry *entry, *profile_entry; /* h:, p: */
    bool dirty, stale;                          /* stale: the version of `entry` is */
    UT_hash_handle hh, hh_number;
};

struct unit {
    char *id, *local_id, *enforcer_id;
    struct place *place;
    struct tag_set tags;
    struct rendering *rendering;
    struct identity *identity;
    struct enforcer *enforcer;  /* NULL: not known (yet) */
    struct render_entry *entry; /* u: */
    UT_hash_handle hh;
};

struct render {
    struct label *labels;
    struct place *places;
    struct ruleset *rulesets;
    struct network *networks;
    struct rendering *renderings;
    struct identity *identities, *numbers;
    struct enforcer *enforcers, *enforcer_numbers;
    struct unit *units;
    struct carrier *carriers;
    struct render_entry *trust_entry;
    char *trust;
    uint64_t last_entry_id, rendered, stamp;
    struct buf scratch;
    uint32_t day;
    struct pointers dirty_renderings, dirty_enforcers, stale_hosts;
    struct pointers missing; /* identities without a number */
};

/* render_labels.c */
struct label *label_find(struct render *render, const char *text); /* NULL: nobody named it */
/* Interns; a new one is filed with the identities that carry it. */
struct label *label_get(struct render *render, const char *text);
/* The labels among `tags`, sorted by address. `subjects`: only those that subjects name. */
int labels_of(struct render *render, const struct tag_set *tags, bool subjects, struct label ***ret,
              size_t *ret_n);
int clauses_read(struct render *render, const json_t *expression, struct clauses *clauses);
/* The same of JSON text. */
int clauses_scan(struct render *render, const struct json_slice *expression,
                 struct clauses *clauses);
int clauses_copy(const struct clauses *clauses, struct clauses *ret);
void clauses_clear(struct clauses *clauses);
bool clause_within(const struct clause *clause, struct label *const *labels, size_t n);
bool clauses_match(const struct clauses *clauses, struct label *const *labels, size_t n);
int counts_add(struct counts *counts, void *target, bool *ret_new);
bool counts_drop(struct counts *counts, const void *target); /* true: the last one */

/* render_entries.c */
int entry_new(struct render *render, void *owner, struct render_entry **ret, const char *format,
              ...) _printf_(4, 5);
void entry_unref(struct render_entry **entry);
void entry_kill(struct render_entry **entry); /* its object goes away */
void entry_version_of(struct render_entry *entry, const json_t *content);
/* As policy files have it; new reference, NULL on ENOMEM. */
json_t *ruleset_parse(const struct ruleset *ruleset);
json_t *network_content(const struct network *network);
int network_tags(const struct network *network, struct tag_set *ret);
/* Action in force there: "Allow" or "Reject". */
const char *place_default(const struct place *place, const char *attribute);
json_t *place_content(const struct place *place);
json_t *unit_content(const struct unit *unit);
json_t *identity_claims(const struct render *render, const struct identity *identity);
json_t *host_claims(const struct render *render, const struct enforcer *enforcer);

/* render_scopes.c */
/* A part under construction: in any order, with duplicates. */
struct items {
    struct render_item *v;
    size_t n, size;
};
int items_add(struct items *items, struct render_entry *entry);
void items_clear(struct items *items);
#define _cleanup_items_ _cleanup_(items_clear)
/* Takes the references; the items stay the caller's. */
int part_new(struct items *items, struct render_part **ret);
bool part_has(const struct render_part *part, const struct render_entry *entry);
bool part_equal(const struct render_part *a, const struct render_part *b);
/* One more; takes a reference. */
int scope_push(struct render_scope *scope, struct render_part *part);

/* render_places.c */
int place_get(struct render *render, const char *name, struct place **ret);
bool place_sees(const struct place *place, const struct place *owner, bool propagate);
void place_renderings_dirty(struct render *render, struct place *place, bool below);

/* render_rulesets.c */
/* Which rulesets need a new identity; both ways. */
int identity_rulesets(struct render *render, struct identity *identity);
/* Whoever needs this identity, or fetched it, has to look again. */
void identity_touched(struct render *render, struct identity *identity);

/* render_identities.c */
int identity_get(struct render *render, const char *namespace, const struct tag_set *tags,
                 struct identity **ret);
void identity_free(struct identity *identity);
/* One unit more or less of an identity on a host. */
int identity_join(struct render *render, struct identity *identity, struct enforcer *enforcer);
void identity_leave(struct render *render, struct identity *identity, struct enforcer *enforcer);
void host_changed(struct render *render, struct enforcer *enforcer);
void hosts_work_out(struct render *render);
void identity_versioned(struct render *render, struct identity *identity);
int enforcer_get(struct render *render, const char *id, struct enforcer **ret);

/* render_units.c */
int unit_rekey(struct render *render, struct unit *unit);
int unit_identify(struct render *render, struct unit *unit);
int units_of_label(struct render *render, struct label *label); /* now named by a subject */
void unit_versioned(struct render *render, struct unit *unit);

/* render_carriers.c */
int carriers_add(struct render *render, struct unit *unit);
void carriers_remove(struct render *render, struct unit *unit);
/* Units with this tag; false: so many, or its own, that they are not listed. */
bool carriers_of(struct render *render, const char *text, const struct pointers **ret);
void carriers_free(struct render *render);

/* render_flush.c */
int rendering_get(struct render *render, struct place *place, const struct tag_set *tags,
                  struct rendering **ret);
void rendering_release(struct render *render, struct rendering *rendering);
void rendering_dirty(struct render *render, struct rendering *rendering);
void enforcer_dirty(struct render *render, struct enforcer *enforcer);
/* Rulesets that apply: normal ones, or fallback ones when there is no normal one. */
int rulesets_for(struct render *render, const struct place *place, struct label *const *labels,
                 size_t n_labels, struct pointers *ret);
