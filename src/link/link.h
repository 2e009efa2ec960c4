/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What Console and Enforcer say to each other: binary WebSocket messages over mutually
 * authenticated TLS, path LINK_PATH, subprotocol LINK_PROTOCOL, msgpack inside. Pure: encodes to a
 * buffer, decodes from bytes; owns no socket.
 *
 *   Enforcer                                   Console
 *   hello {version, epoch, key, addresses,
 *          revision, digest}               →
 *                                          ←   welcome {number, time, what follows}
 *      digest equal: nothing else; else
 *                                          ←   inventory?
 *   inventory {(key, version)…}            →
 *                                          ←   delta … delta(last)
 *   ack {revision}                         →
 *   units, keys, fetch, heartbeat, renew   →
 *                                          ←   delta(last) per change, refresh, certificate, bye
 *
 * What an Enforcer holds is a set of entries, key → (version, body). The version is the first 8
 * bytes of SHA-256 over the body, so it means the same at every Console and after every restart.
 * The digest is the exclusive-or over all entries of the first 16 bytes of SHA-256(key ‖ 0 ‖
 * version): equal digests, equal contents. A break therefore costs nothing when nothing changed,
 * and otherwise exactly the difference, without history at the Console.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"

#define LINK_PATH "/link"
#define LINK_PROTOCOL "bulkhead-link-1"
#define LINK_MESSAGE_BYTES_MAX (1u << 20) /* longer deltas are split; entries are not */
#define LINK_ENTRY_BYTES_MAX (768u << 10)
#define LINK_KEY_MAX 127
#define LINK_LOCAL_ID_MAX (LINK_KEY_MAX - 2) /* "u:" and it are the key of the unit's entry */
#define LINK_TEXT_MAX 4095
#define LINK_INVENTORY_MAX 16384 /* entries in one inventory message */
#define LINK_UNITS_MAX 4096
#define LINK_FETCH_MAX 256
#define LINK_TAGS_MAX 256
#define LINK_ADDRESSES_MAX 256
#define LINK_COUNTERS_MAX 256
#define LINK_DIGEST_BYTES 16
#define LINK_CERTIFICATE_BYTES_MAX 16384 /* PEM of a request or a chain */
#define LINK_HEARTBEAT_S 30

enum link_type {
    LINK_HELLO = 1,
    LINK_WELCOME,
    LINK_INVENTORY_ASK,
    LINK_INVENTORY,
    LINK_DELTA,
    LINK_ACK,
    LINK_UNITS,
    LINK_KEYS,
    LINK_FETCH,
    LINK_HEARTBEAT,
    LINK_REFRESH,
    LINK_RENEW,
    LINK_CERTIFICATE,
    LINK_BYE,
};

/*
 * First character of an entry's key says what it is; the body is JSON unless said otherwise:
 *   n:/path      namespace as in policy files: {name, defaultPU…TrafficAction (resolved, never
 *                Inherit for the topmost one sent), rejectMode}
 *   r:ID         ruleset as in policy files, with its namespace
 *   x:ID         external network as in policy files, with its namespace
 *   i:NUMBER     identity document: a JWT (ES256) with {id, ns, tags, exp}
 *   h:NUMBER     host document: a JWT with {id, keys: [{epoch, key}], addresses, identities, exp}
 *   u:LOCALID    one of the Enforcer's own units: {ID, namespace, tags, identity, archived}
 *   p:           enforcer profile as applied: {targetNetworks, excludedNetworks, …, revision}
 *   t:           trust: {certificates: PEM, signers: [{kid, key: PEM}]}
 */

struct link_entry {
    const char *key;
    uint64_t version;
    const char *body; /* NULL: removed */
    size_t body_len;
};
uint64_t link_version(const void *body, size_t len);
struct link_digest {
    uint8_t bytes[LINK_DIGEST_BYTES];
};
/* Toggle: adding an entry and removing it are the same operation. */
void link_digest_toggle(struct link_digest *digest, const char *key, uint64_t version);

enum link_bye {
    LINK_BYE_GOING_AWAY = 1, /* Console stops: come back */
    LINK_BYE_REVOKED,        /* certificate or object is gone: do not come back without a new one */
    LINK_BYE_REPLACED,       /* another connection with the same certificate (a cloned host?) */
    LINK_BYE_CLOCK,          /* clocks are too far apart */
    LINK_BYE_VERSION,  /* no common protocol: never sent, for there is no session; status 426 */
    LINK_BYE_PROTOCOL, /* a message could not be understood */
    LINK_BYE_OVERLOAD, /* the queue to this Enforcer is full */
    LINK_BYE_REFUSED,  /* not authorized here */
};

struct link_key {
    uint16_t epoch;
    uint8_t public_key[32]; /* X25519 */
};

struct link_unit {
    const char *local_id; /* unique on the host: "host", cgroup path, container id */
    const char *name, *type /* Host, LinuxService, Docker … */, *native_id;
    const char *tags[LINK_TAGS_MAX], *metadata[LINK_TAGS_MAX];
    size_t n_tags, n_metadata;
    bool stopped; /* known to the host, and not there now */
};

/* One message of any type; texts point into the decoded bytes or to the sender's memory. */
struct link_message {
    enum link_type type;
    union {
        struct {
            const char *version, *machine_id, *boot_id, *host_name;
            int64_t time_ms;
            struct link_key keys[2]; /* current, previous */
            size_t n_keys;
            const char *addresses[LINK_ADDRESSES_MAX];
            size_t n_addresses;
            uint64_t revision;
            struct link_digest digest;
        } hello;
        struct {
            const char *version, *enforcer_id, *namespace;
            uint32_t number; /* the enforcer id of the wire protocol */
            int64_t time_ms;
            uint64_t revision;
            uint32_t heartbeat_s;
            bool in_step; /* digests are equal */
        } welcome;
        struct {
            const struct link_entry *entries; /* bodies are NULL */
            size_t n;
        } inventory;
        struct {
            uint64_t revision;
            bool reset; /* forget everything first */
            bool last;  /* of this revision: apply now, then acknowledge */
            const struct link_entry *entries;
            size_t n;
        } delta;
        struct {
            uint64_t revision;
            const char *error; /* NULL: in force; else why not */
        } ack;
        struct {
            bool all; /* units that are not named are gone */
            const struct link_unit *units;
            size_t n;
            const char *const *removed;
            size_t n_removed;
        } units;
        struct {
            struct link_key keys[2];
            size_t n;
        } keys;
        struct { /* rule 7 of docs/formats/identity-option.md */
            uint32_t hosts[LINK_FETCH_MAX], identities[LINK_FETCH_MAX];
            size_t n_hosts, n_identities;
        } fetch;
        struct {
            int64_t time_ms;
            uint64_t memory_bytes;
            uint32_t cpu_permille, processes;
            const char *status; /* Active, Failed, Inactive */
            struct {
                const char *name;
                uint64_t value;
            } counters[LINK_COUNTERS_MAX];
            size_t n_counters;
        } heartbeat;
        struct {
            const char *log_level; /* NULL: unchanged */
            uint32_t log_seconds;
            bool policy; /* send everything anew */
        } refresh;
        struct {
            const char *csr; /* PEM */
        } renew;
        struct {
            const char *certificate; /* PEM; NULL: refused */
            const char *error;
        } certificate;
        struct {
            enum link_bye code;
            const char *reason;
        } bye;
    };
};

/* Appends one message; problems in buf->error. */
void link_encode(struct buf *buf, const struct link_message *message);
/* Memory that a decoded message points into; reused from message to message. */
struct link_decoder;
int link_decoder_new(struct link_decoder **ret);
void link_decoder_free(struct link_decoder **decoder);
/*
 * Strict: unknown types, missing fields, wrong types, limits. Unknown fields are skipped, so that a
 * newer peer can say more. Texts are valid UTF-8 and NUL-terminated.
 * @param ret_problem  static text, on -EPROTO
 * @return 0, -EPROTO, -EMSGSIZE, -ENOMEM
 */
int link_decode(struct link_decoder *decoder, const void *data, size_t len,
                struct link_message *ret, const char **ret_problem);
#define _cleanup_link_decoder_ _cleanup_(link_decoder_free)
