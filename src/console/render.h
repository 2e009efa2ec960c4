/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What applies to a processing unit, worked out once per distinct (namespace, tags), and who is
 * concerned by a change. Pure: fed with objects, asked for results; owns no socket.
 *
 *   rendering   = (namespace, tags) → rulesets whose subject matches, networks in scope, defaults
 *   need        = rendering × identities that an object clause of its rulesets can match
 *   scope       = of one Enforcer: union over the renderings of its units, plus needs, plus the
 * hosts of the identities needed → entries of link.h
 *
 * Indexes by tag keep the cost of a change proportional to what it concerns.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "console/objects.h"
#include "link/link.h"
#include "model/model.h"

struct render;
int render_new(struct objects *objects, struct render **ret);
void render_free(struct render **render);

/* POST /renderedpolicies and GET /processingunits/:id/renderedpolicies. New reference. */
int render_policy(struct render *render, const char *namespace, const struct tag_set *tags,
                  json_t **ret);
/* Tags that go into an identity: those with one of the namespace's tagPrefixes. */
int render_identity_tags(struct render *render, const char *namespace, const struct tag_set *tags,
                         struct tag_set *ret);

/* What one write makes odd, as sentences for X-Messages: subject or object selects nothing, other
 * side missing, tag outside tagPrefixes, network shadows known units, rule made pointless by a
 * parent's Reject. */
int render_warnings(struct render *render, const struct schema_kind *kind, const char *namespace,
                    const json_t *object, void (*warn)(void *context, const char *text),
                    void *context);
