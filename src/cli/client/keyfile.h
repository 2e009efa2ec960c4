/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* App credentials made with a key of one's own: used by appcred, configure, enforcer register. */

#include "cli/client/session.h"

/*
 * POST /appcredentials with `object` (name, roles, …; a CSR is added), or renewal of `id`.
 * @param ret_file   the credential file's JSON, key included; new reference
 * @return enum cli_exit
 */
int keyfile_create(struct session *session, json_t *object, json_t **ret_file);
int keyfile_renew(struct session *session, const json_t *present, json_t **ret_file);

/* To --output-file (0600), or to standard output. `type`: json, k8s or cert. enum cli_exit. */
int keyfile_write(struct cli_call *call, const char *type, const char *path, const json_t *file);
