/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What applies to a processing unit, worked out once per distinct (namespace, tags), and who is
 * concerned by a change. Pure: fed with objects, asked for results; owns no socket, reads no clock.
 *
 *   rendering = (namespace, tags that any subject names) → rulesets whose subject matches,
 *               networks in scope, namespaces up to the root
 *   identity  = (namespace, tags limited to tagPrefixes) with a number
 *   need      = ruleset × identities that an object clause of it can match, and their hosts
 *   scope     = of one Enforcer: union over the renderings of its units, their needs, its own
 *               units, what it fetched, its profile, trust → entries of link.h
 *
 * Indexes by tag keep the cost of a change proportional to what it concerns. Changes only mark; the
 * work is done by render_flush(), once for many changes.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "link/link.h"
#include "model/model.h"

#define RENDER_FETCHED_MAX 4096 /* hosts and identities that one Enforcer asked for by itself */

struct render;
int render_new(struct render **ret);
void render_free(struct render **render);

/* ---- What it is fed with: newest state of each object; puts replace. 0 or -ENOMEM -------------
 */

int render_namespace_put(struct render *render, const char *name, const json_t *body);
void render_namespace_remove(struct render *render, const char *name);
/* `body`: the object in sparse form, as stored; NULL removes. Rulesets are many, and most of one is
 * handed on as it is: their text is looked into, no tree is built. */
int render_ruleset_put(struct render *render, const char *id, const char *namespace,
                       const char *body, size_t len);
int render_network_put(struct render *render, const char *id, const char *namespace,
                       const json_t *body);

struct render_unit_input {
    const char *id, *local_id, *enforcer_id, *namespace;
    const struct tag_set *tags; /* normalized */
    bool active;                /* not archived, not stopped for good */
};
int render_unit_put(struct render *render, const struct render_unit_input *unit);
void render_unit_remove(struct render *render, const char *id);

struct render_enforcer_input {
    const char *id, *namespace;
    uint32_t number;         /* 0: not known yet */
    const json_t *keys;      /* [{epoch, key}]; borrowed */
    const json_t *addresses; /* [text]; borrowed */
};
int render_enforcer_put(struct render *render, const struct render_enforcer_input *enforcer);
void render_enforcer_remove(struct render *render, const char *id);
/* Its profile as a JSON text; and trust, the same for all. */
int render_profile_put(struct render *render, const char *enforcer_id, const char *body);
int render_trust_put(struct render *render, const char *body);

/* A number that the store gave to (namespace, tags). */
int render_identity_put(struct render *render, uint32_t number, const char *namespace,
                        const struct tag_set *tags);
/* Units have these but nobody gave them a number yet. `candidate`: free here. */
typedef void render_missing_fn(void *context, const char *namespace, const struct tag_set *tags,
                               uint32_t candidate);
void render_missing(struct render *render, render_missing_fn *visit, void *context);

/*
 * Documents end: their claims say when, in whole days since the epoch, RENDER_DOCUMENT_DAYS / 2 to
 * RENDER_DOCUMENT_DAYS ahead, spread by number so that they are not renewed all at once.
 */
#define RENDER_DOCUMENT_DAYS 30
void render_day_set(struct render *render, uint32_t day);

/* An Enforcer met somebody it does not know (rule 7 of the wire protocol): each is told of the
 * other one if that one could talk to it (render_fetch.c). */
int render_fetch(struct render *render, const char *enforcer_id, const uint32_t *hosts,
                 size_t n_hosts, const uint32_t *identities, size_t n_identities);

/* ---- What comes out ---------------------------------------------------------------------------
 */

/* Something an Enforcer holds. Counted references: a session keeps those it sent. */
struct render_entry {
    uint64_t id;      /* order of creation; never used twice */
    uint64_t version; /* of the content; for documents of their claims, not of the signature */
    uint32_t references;
    bool dead; /* its object is gone */
    void *owner;
    char key[]; /* link.h */
};
struct render_item {
    struct render_entry *entry;
    uint64_t version;
};
/*
 * Items in order of their entries, none twice; each holds a reference. A part never changes, so
 * whoever is sent the same has the same one: with any to any, ten thousand sessions have one part
 * of ten thousand documents, and not ten thousand times ten thousand.
 */
struct render_part {
    unsigned references;
    size_t n;
    struct render_item items[];
};
/* What is in any of the parts; they may overlap. */
struct render_scope {
    struct render_part **parts;
    size_t n, size;
};
void render_scope_clear(struct render_scope *scope);
#define _cleanup_render_scope_ _cleanup_(render_scope_clear)

/* As one part, of which the caller owns a reference; NULL on ENOMEM. */
struct render_part *render_scope_whole(const struct render_scope *scope);
void render_part_unref(struct render_part **part);
#define _cleanup_render_part_ _cleanup_(render_part_unref)

/*
 * From one scope to another; costs what the parts hold that are not in both.
 * @param visit `item` is new, has another version, or is gone. Less than 0 ends it
 * @return 0, -ENOMEM, what `visit` returned
 */
typedef int render_difference_fn(void *context, const struct render_item *item, bool is_gone);
int render_scope_compare(const struct render_scope *before, const struct render_scope *now,
                         render_difference_fn *visit, void *context);

/* Work out what changed; visits every Enforcer whose scope may be another one now. */
typedef void render_concerned_fn(void *context, const char *enforcer_id);
int render_flush(struct render *render, render_concerned_fn *visit, void *context);
/* @return 0, -ENOENT, -ENOMEM */
int render_scope_of(struct render *render, const char *enforcer_id, struct render_scope *ret);

/*
 * The body of a live entry. Documents (i:, h:) come as claims, to be signed by the caller:
 * *ret_claims is then a new reference and `body` stays empty.
 */
int render_entry_body(struct render *render, const struct render_entry *entry, struct buf *body,
                      json_t **ret_claims);

/* POST /renderedpolicies and GET /processingunits/:id/renderedpolicies: defaults, ruleSetPolicies,
 * wireTags. New reference. */
int render_policy(struct render *render, const char *namespace, const struct tag_set *tags,
                  json_t **ret);
/* Tags that go into an identity: those with one of the namespace's tagPrefixes. */
int render_identity_tags(struct render *render, const char *namespace, const struct tag_set *tags,
                         struct tag_set *ret);
/* Prefixes in force for a namespace; NULL-terminated, borrowed until the next put. */
const char *const *render_tag_prefixes(struct render *render, const char *namespace);

/* What one write makes odd, as sentences for X-Messages: subject or object selects nothing, other
 * side missing, tag outside tagPrefixes, network shadows known units, rule made pointless by a
 * parent's Reject. `kind`: plural. */
typedef void render_warn_fn(void *context, const char *text);
int render_warnings(struct render *render, const char *kind, const char *namespace,
                    const json_t *object, render_warn_fn *warn, void *context);

struct render_counters {
    size_t renderings, identities, units, enforcers, rulesets, networks, labels;
    uint64_t rendered; /* how often a rendering was worked out */
};
void render_counters(const struct render *render, struct render_counters *ret);
