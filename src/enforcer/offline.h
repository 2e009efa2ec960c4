/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What `check` and `describe` do, apart from printing; used by run and the tests as well. */

#include "enforcer/directory.h"
#include "enforcer/keys.h"

#define OFFLINE_HOST_NAME_MAX 256
#define OFFLINE_ADDRESSES_MAX 1024

struct check_summary {
    size_t n_namespaces, n_networks, n_rulesets, n_rules, n_peers, n_units;
};
/* Policy and peers of a configuration that was read already; problems of all of them. */
int offline_check(const struct config *config, struct diagnostics *diagnostics,
                  struct check_summary *ret);
/* This host's peer file. @param units  what it has; @param message  mend for the key file */
int offline_describe(const struct config *config, const struct units *units,
                     char message[KEYS_MESSAGE_MAX], char **ret);
/* Addresses of this host that others can reach it by, as texts. */
struct offline_addresses {
    char *texts[OFFLINE_ADDRESSES_MAX];
    size_t n;
};
int offline_addresses(struct offline_addresses *ret);
void offline_addresses_free(struct offline_addresses *addresses);
void offline_host_name(char ret[OFFLINE_HOST_NAME_MAX]);
/* Print to standard error, one a line, control characters escaped. */
void offline_print(const struct diagnostics *diagnostics);

/* Datapath's view of a configuration; points into it. */
void offline_datapath_config(const struct config *config, struct datapath_config *ret);
