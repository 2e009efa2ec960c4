/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What makes this host an Enforcer of a Console: a certificate for a key that was made here, and
 * its numbers. One file in the state directory, mode 0600, written atomically.
 */

#include <stdint.h>

#include "base/buf.h"
#include "enforcer/config.h"

#define REGISTRATION_FILE "console.json"
#define REGISTRATION_BYTES_MAX (1u << 20)
#define REGISTRATION_MACHINE_ID_MAX 200

struct registration {
    char *id, *name, *namespace, *url;
    char *fqdn;                   /* NULL: as the host name */
    char *certificate, *key, *ca; /* PEM */
    uint32_t number;              /* the enforcer id of the wire protocol */
    int64_t not_before_s, not_after_s;
};
void registration_free(struct registration **registration);
#define _cleanup_registration_ _cleanup_(registration_free)

/* @return 0; -ENOENT: not registered; -EINVAL, -EPERM, -errno with `problem` */
int registration_load(const char *state, struct buf *problem, struct registration **ret);
int registration_save(const char *state, const struct registration *registration);
/* A renewed certificate takes the place of the old one; -EINVAL: it is none for our key. */
int registration_certificate_set(struct registration *registration, const char *pem);

/*
 * Ask the Console: blocking, for a thread or the command `register`.
 * @return 0; -EAGAIN: it may work later (not reachable); -EACCES: it will not, as things are;
 *         -ENOMEM. `problem` says what and what to do
 * @param ret_wait_s  with -EAGAIN: what the Console asks to wait, 0: nothing
 */
int registration_make(const struct config *config, struct buf *problem, uint32_t *ret_wait_s,
                      struct registration **ret);

/*
 * The same for one whose certificate has ended: as the Enforcer that it was, with its key. `known`
 * must be the only one that uses that key. -EEXIST: for the Console it is alive, or has not ended.
 */
int registration_renew(const struct config *config, const struct registration *known,
                       struct buf *problem, uint32_t *ret_wait_s, struct registration **ret);
bool registration_ended(const struct registration *registration, int64_t now_s);

/* The PEM to trust: by `ca`, else that of the registration or credential. NULL: system store.
 * Owned by the caller. */
int registration_ca(const struct config *config, const struct registration *registration,
                    struct buf *problem, char **ret);
/* What tells this host from its clones. */
void registration_machine_id(char ret[REGISTRATION_MACHINE_ID_MAX]);
