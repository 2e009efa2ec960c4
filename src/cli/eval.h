/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Verdicts of flows by an estate, with what decided, as the JSON that `policy eval` prints. */

#include <jansson.h>

#include "cli/peer.h"
#include "policy/policy.h"

struct eval;

/* @param namespace  of peers that name none. Estate and namespace must outlive it. */
int eval_new(const struct estate *estate, const char *namespace, struct eval **ret);
void eval_free(struct eval **eval);
#define _cleanup_eval_ _cleanup_(eval_free)

/*
 * @param namespace  of peers that name none; NULL: the one of eval_new
 * @param ret        {verdict, sides}, owned by the caller
 * @return 0; -ENOMEM; -EDESTADDRREQ when neither peer is a processing unit: nothing enforces;
 *         -BULKHEAD_ETOOMANY
 */
int eval_flow(struct eval *eval, const char *namespace, const struct peer *from,
              const struct peer *to, uint8_t protocol, uint16_t port, json_t **ret);
