/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the daemon reads besides its configuration: the policy (a directory or one file), the copy
 * of the last good one, and the peers. All or nothing: a wrong file refuses the whole.
 */

#include "model/model.h"
#include "wire/wire.h"

#define INPUTS_POLICY_FILES_MAX 10000
#define INPUTS_PEERS_MAX 65000 /* below ABI_PEER_KEYS_MAX */
#define INPUTS_PEER_BYTES_MAX (4u << 20)
#define INPUTS_LAST_POLICY "last-policy.yaml"

#define INPUTS_DIGEST_BYTES 32

/*
 * Read every *.yaml, *.yml and *.json of a directory, or one file of any name.
 * @return 0; -ENOENT: the directory has no policy file at all (a diagnostic says so);
 *         -BULKHEAD_EINVALID_INPUT; -ENOMEM. ret untouched on failure
 * @param ret_digest  of names and bytes of all files: equal when nothing has changed
 */
int inputs_policy_load(const char *path, const char *namespace, struct diagnostics *diagnostics,
                       struct estate **ret, uint8_t ret_digest[INPUTS_DIGEST_BYTES]);
/* The copy in the state directory: written atomically, mode 0600. */
int inputs_last_policy_save(const char *state, const struct estate *estate);
int inputs_last_policy_load(const char *state, const char *namespace,
                            struct diagnostics *diagnostics, struct estate **ret);

struct peers {
    struct peer_host **hosts;
    size_t n;
};
/*
 * Read a directory of peer files. This host's own file may be among them if its key is the own one.
 * @param own_public  NULL: own key not known (check without a key file), then not compared
 * @return 0, -BULKHEAD_EINVALID_INPUT, -ENOMEM
 */
int inputs_peers_load(const char *path, uint32_t own_id, const uint8_t own_public[WIRE_KEY_BYTES],
                      struct diagnostics *diagnostics, struct peers **ret);
void peers_free(struct peers **peers);
#define _cleanup_peers_ _cleanup_(peers_free)
