/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "cli/peer.h"

/* Flows to judge, from a file: a list of {from, to, port, expect?, namespace?}. */

#define CASES_MAX 1000000

struct flow_case {
    const char *from_text, *to_text, *port_text; /* in the document */
    const char *namespace, *expect;              /* NULL: not said */
    struct peer from, to;
    uint8_t protocol;
    uint16_t port;
};

struct flow_cases {
    struct flow_case *items;
    size_t n;
    struct document *document; /* owns the texts */
};

/*
 * A file whose name ends in .yaml or .yml is YAML, any other JSON.
 * @return 0; -ENOMEM; -BULKHEAD_EINVALID_INPUT with at least one diagnostic. flow_cases_clear() in
 * any case
 */
int flow_cases_parse(const char *file, const char *text, size_t len,
                     struct diagnostics *diagnostics, struct flow_cases *cases);
void flow_cases_clear(struct flow_cases *cases);
#define _cleanup_flow_cases_ _cleanup_(flow_cases_clear)
