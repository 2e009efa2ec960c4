/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What users write: documents, tags, tag expressions, networks, ports, rulesets, namespaces.
 * Parse, check, print. Opens no file, reads no clock, writes no log: text comes in as a buffer,
 * problems go out as diagnostics. Words and fields follow the Network Ruleset objects of the
 * product (networkrulesetpolicies, externalnetworks, namespaces) and docs/formats/policy.md.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/macros.h"

struct json_t; /* of <jansson.h> */

/* ---- Limits ------------------------------------------------------------------------------- */

#define MODEL_DOCUMENT_BYTES_MAX (64u << 20)
#define MODEL_DOCUMENT_DEPTH_MAX 32
#define MODEL_DOCUMENT_NODES_MAX 4000000 /* about 400 MB */
#define MODEL_DIAGNOSTICS_MAX 200
#define MODEL_TAG_BYTES_MAX 1023
#define MODEL_TAGS_PER_SET_MAX 256
#define MODEL_CLAUSES_MAX 1024
#define MODEL_PORTS_PER_RULE_MAX 1024
#define MODEL_RULES_PER_RULESET_MAX 200000
#define MODEL_ENTRIES_PER_NETWORK_MAX 65536
#define MODEL_NAME_MAX 256
#define MODEL_RULE_NAME_MAX 16
#define MODEL_DESCRIPTION_MAX 1024
#define MODEL_NAMESPACE_MAX 1024
#define MODEL_NAMESPACE_DEPTH_MAX 32

/* ---- Diagnostics -------------------------------------------------------------------------- */

enum diagnostic_severity { DIAGNOSTIC_ERROR, DIAGNOSTIC_WARNING };

struct diagnostic {
    enum diagnostic_severity severity;
    char *file;            /* as given to the parser */
    unsigned line, column; /* from 1; 0 when it concerns no place in a file */
    char *path;    /* e.g. data.networkrulesetpolicies[0].outgoingRules[2].protocolPorts[0] */
    char *message; /* "found 'tcp/99999', expected a port of 0..65535" */
};

/* Holds at most MODEL_DIAGNOSTICS_MAX; the rest is only counted. */
struct diagnostics {
    struct diagnostic *items;
    size_t n, n_errors, n_warnings, n_dropped;
};

void diagnostics_add(struct diagnostics *list, enum diagnostic_severity severity, const char *file,
                     unsigned line, unsigned column, const char *path, const char *format, ...)
    _printf_(7, 8);
void diagnostics_clear(struct diagnostics *list);
/* "file:line: path: message" (parts that are missing are left out); owned by the caller, NULL on
 * ENOMEM. */
char *diagnostic_format(const struct diagnostic *diagnostic);
#define _cleanup_diagnostics_ _cleanup_(diagnostics_clear)

/* ---- Documents: YAML and JSON in one tree, with positions --------------------------------- */

enum document_format { DOCUMENT_YAML, DOCUMENT_JSON };

enum node_kind { NODE_NULL, NODE_BOOL, NODE_INTEGER, NODE_FLOAT, NODE_STRING, NODE_LIST, NODE_MAP };

struct node {
    enum node_kind kind;
    bool boolean;          /* NODE_BOOL */
    bool quoted;           /* NODE_STRING that was written in quotes or as a block */
    unsigned line, column; /* of the value, from 1 */
    const char *key;       /* in a map: the key; else NULL */
    unsigned key_line, key_column;
    const char *text; /* scalars: as written (unescaped), NUL-terminated */
    size_t text_len;
    int64_t integer;        /* NODE_INTEGER */
    struct node **children; /* lists and maps, in written order */
    size_t n_children;
};

struct document; /* owns all nodes of one file: a YAML stream of one or many documents, or one JSON
                    value */

/*
 * Parse a whole file. Strict: UTF-8 without NUL, duplicate keys, aliases/anchors and non-string
 * keys are errors, depth and size are limited. YAML 1.2 core-schema scalars (true/false/null/ints),
 * so `no` and `on` are strings; quoted scalars are always strings.
 *
 * @param file  for diagnostics only
 * @return 0; -ENOMEM; -BULKHEAD_EINVALID_INPUT with at least one diagnostic
 */
int document_parse(const char *file, const char *text, size_t len, enum document_format format,
                   struct diagnostics *diagnostics, struct document **ret);
void document_free(struct document **document);
size_t document_count(const struct document *document);
/* Root of the i-th document, NULL for an empty one. */
const struct node *document_root(const struct document *document, size_t i);
const char *document_file(const struct document *document);
/* By name: .json is JSON, everything else YAML. */
enum document_format document_format_of(const char *file);
const struct node *node_get(const struct node *map, const char *key); /* NULL when absent */
const char *node_kind_name(const struct node *node); /* "a string", "a list", … */
#define _cleanup_document_ _cleanup_(document_free)

/*
 * Check a map against the keys it may have, described as a table; the same table serves policy
 * files, configuration and peer files. Unknown keys are errors that name the nearest known key.
 */
struct node_field {
    const char *key;
    unsigned kinds; /* bit mask of 1 << enum node_kind */
    bool required;
};
/* @param path  of the map itself ("" at the root). Adds diagnostics; returns false when there was
 * an error. */
bool node_check_map(const struct document *document, const struct node *map, const char *path,
                    const struct node_field *fields, size_t n, struct diagnostics *diagnostics);

/* ---- Tags --------------------------------------------------------------------------------- */

/* A set of tags, sorted by byte value, without duplicates. Zero-initialised: the empty set. */
struct tag_set {
    char **tags;
    size_t n;
};

/* Why `tag` is not `key=value` (^[^= ]+=.+, at most MODEL_TAG_BYTES_MAX bytes, UTF-8, no control
 * characters); NULL when it is one. */
const char *tag_problem(const char *tag);
/* 0 (also when it was there already), -EINVAL, -ENOMEM, -BULKHEAD_ETOOMANY. */
int tag_set_add(struct tag_set *set, const char *tag);
/* Every text of a list; what is no array has none. As tag_set_add(), -EINVAL also for no text. */
int tag_set_add_list(struct tag_set *set, const struct json_t *list);
int tag_set_addf(struct tag_set *set, const char *format, ...) _printf_(2, 3);
int tag_set_copy(const struct tag_set *set, struct tag_set *ret);
bool tag_set_has(const struct tag_set *set, const char *tag);
bool tag_set_has_all(const struct tag_set *set, const struct tag_set *wanted);
bool tag_set_equal(const struct tag_set *a, const struct tag_set *b);
void tag_set_clear(struct tag_set *set);
#define _cleanup_tag_set_ _cleanup_(tag_set_clear)

/* OR of ANDs over whole tags. */
struct tag_expr {
    struct tag_set *clauses;
    size_t n;
};
bool tag_expr_matches(const struct tag_expr *expr, const struct tag_set *tags);
void tag_expr_clear(struct tag_expr *expr);
/* "[[a=b, c=d], [e=f]]"; owned by the caller, NULL on ENOMEM */
char *tag_expr_format(const struct tag_expr *expr);

/* ---- Ports and protocols (product reference 1.7) ------------------------------------------ */

#define PROTOCOL_ICMP 1
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define PROTOCOL_ICMP6 58

/*
 * One protocol and an inclusive range of ports. For ICMP and ICMPv6 the "port" is type << 8 | code;
 * for protocols without ports it is 0 and the range is 0..65535. `any_protocol`: every packet.
 */
struct port_match {
    bool any_protocol;
    uint8_t protocol;
    uint16_t low, high;
};

/*
 * "any", "tcp/80", "udp/8000:8100", "icmp", "icmp/8/0", "icmp6/1/0:3,5", "sctp", "gre" …; not case
 * sensitive. One text can give several matches (ICMP code lists).
 *
 * @param ret          array of at least PORT_TEXT_MATCHES_MAX
 * @param ret_problem  on -EINVAL: what was expected (static text)
 */
#define PORT_TEXT_MATCHES_MAX 256
int port_match_parse(const char *text, struct port_match ret[PORT_TEXT_MATCHES_MAX], size_t *ret_n,
                     const char **ret_problem);
/* Of a host service: "tcp/80", "udp/80:100", "443" (TCP). 0 or -EINVAL. */
int host_port_parse(const char *text, struct port_match *ret);
const char *protocol_name(uint8_t protocol); /* "tcp", …; NULL when it has no IANA keyword here */
int protocol_parse(const char *name, uint8_t *ret);
/* A single packet's kind, as `bulkhead policy eval --port` takes it: tcp/5432, icmp/8/0, sctp. */
int port_parse(const char *text, uint8_t *ret_protocol, uint16_t *ret_port,
               const char **ret_problem);
/* "tcp/5432", "icmp/8/0", "gre"; always fits */
#define PORT_TEXT_MAX 32
const char *port_format(uint8_t protocol, uint16_t port, char text[PORT_TEXT_MAX]);

/* ---- CIDR lists with holes (also targetNetworks, excludedNetworks) ------------------------- */

struct cidr_list {
    struct ip_prefix *included, *excluded;
    size_t n_included, n_excluded;
};
/* 0; -EINVAL and what was expected. Text may start with '!' for a hole. */
int cidr_list_add(struct cidr_list *list, const char *text, const char **ret_problem);
/* Every text of a list; what is no array has none. 0, -EINVAL, -ENOMEM. */
int cidr_list_add_list(struct cidr_list *list, const struct json_t *texts);
/* NULL, or why the list as a whole is wrong (hole outside every included CIDR); *ret_at: index of
 * the hole */
const char *cidr_list_problem(const struct cidr_list *list, size_t *ret_at);
/* Included and not in a hole. A longer include inside a hole includes again. */
bool cidr_list_has(const struct cidr_list *list, const struct ip_addr *addr);
/* Is each address of `inner` in `outer`? Prefix by prefix: several that only together make up a
 * larger one count as not within. */
bool cidr_list_within(const struct cidr_list *inner, const struct cidr_list *outer);
void cidr_list_clear(struct cidr_list *list);
/* An entry of a network is meant as a CIDR when a domain name could not look like that. */
bool cidr_is_meant(const char *entry);
/* NULL, or why `text` is no FQDN of an external network ("*." allowed at the front only) */
const char *fqdn_problem(const char *text);

/* ---- Objects ------------------------------------------------------------------------------ */

enum model_action { MODEL_ACTION_NONE = 0, MODEL_ACTION_ALLOW = 1, MODEL_ACTION_REJECT = 2 };
enum model_direction { MODEL_DIRECTION_IN = 0, MODEL_DIRECTION_OUT = 1 };

struct model_position {
    const char *file; /* interned in the estate */
    unsigned line;
};

struct model_rule {
    char *name; /* "" when unnamed; at most MODEL_RULE_NAME_MAX characters */
    enum model_action action;
    struct tag_expr object;
    struct port_match *ports; /* "any" when the file had none or an empty list */
    size_t n_ports;
    bool logs_disabled, observation;
    struct model_position position;
};

struct model_ruleset {
    char *namespace, *name;
    bool propagate, fallback, disabled;
    struct tag_expr subject;
    struct model_rule *rules[2]; /* by enum model_direction */
    size_t n_rules[2];
    struct model_position position;
};

struct model_network {
    char *namespace, *name;
    bool propagate, match_processing_units;
    struct cidr_list cidrs;
    char **fqdns; /* parsed and checked, matching nothing yet */
    size_t n_fqdns;
    struct tag_set
        tags; /* associated ones, $identity=externalnetwork, $namespace=, $name=, @org: … */
    struct model_position position;
};

struct model_namespace {
    char *name;                         /* full path */
    enum model_action defaults[2];      /* by direction; NONE = Inherit */
    enum model_action reject_mode;      /* unused: NONE */
    bool reject_reset, reject_mode_set; /* rejectMode: reset */
    struct model_position position;
};

/* A set of objects that was accepted as a whole. Objects are sorted: namespaces by name, the others
 * by (namespace depth, namespace, name). Immutable. */
struct estate {
    struct model_namespace *namespaces;
    struct model_network *networks;
    struct model_ruleset *rulesets;
    size_t n_namespaces, n_networks, n_rulesets;
    void *private_data; /* owns interned strings */
};

/*
 * Reads import envelopes (product reference 1.7, 1.12; docs/formats/policy.md), all files of one
 * estate in turn, then checks what spans them (duplicates, references).
 */
struct estate_builder;
/* @param namespace  the namespace objects are imported into when they name none; relative names
 * hang below it */
int estate_builder_new(const char *namespace, struct estate_builder **ret);
void estate_builder_free(struct estate_builder **builder);
/* Problems go to `diagnostics`; parsing goes on over them. @return 0, -ENOMEM,
 * -BULKHEAD_EINVALID_INPUT */
int estate_builder_add(struct estate_builder *builder, const char *file, const char *text,
                       size_t len, enum document_format format, struct diagnostics *diagnostics);
/* @param ret  owned by the caller; untouched when there was any error */
int estate_builder_finish(struct estate_builder *builder, struct diagnostics *diagnostics,
                          struct estate **ret);
void estate_free(struct estate **estate);
/* The estate as one envelope in YAML: parse → print → parse gives the same. Owned by the caller. */
char *estate_format(const struct estate *estate);
#define _cleanup_estate_ _cleanup_(estate_free)
#define _cleanup_estate_builder_ _cleanup_(estate_builder_free)

/* Why `name` is no namespace path (/a/b/c, ^[a-zA-Z0-9-_/]+$); NULL when it is one. "/" is the
 * root. */
const char *namespace_problem(const char *name);
unsigned namespace_depth(const char *name); /* "/" 0, "/a" 1, "/a/b" 2 */
bool namespace_is_within(const char *ancestor, const char *descendant); /* also when equal */

/*
 * Fill a PU's tags: the ones given, $identity=processingunit, $namespace=, and $name=, $type= when
 * not NULL. The result is what rules match and what the identity id is made of.
 */
int pu_tags_complete(const struct tag_set *given, const char *namespace, const char *name,
                     const char *type, struct tag_set *ret);
/* First 32 bits (big endian) of SHA-256 over "bulkhead-identity-1\n" namespace "\n" tag "\n" … in
 * set order. 0..255 are reserved: then the next 32 bits are taken, and so on. Never 0..255. */
uint32_t identity_id(const char *namespace, const struct tag_set *tags);

/* ---- Peer files of standalone mode (docs/formats/peers.md) --------------------------------- */

struct peer_pu {
    char *namespace;
    struct tag_set tags; /* completed by pu_tags_complete(…, NULL, NULL, …) */
};
struct peer_host {
    uint32_t enforcer_id;
    uint8_t public_key[32]; /* X25519 */
    struct ip_prefix *addresses;
    size_t n_addresses;
    struct peer_pu *pus;
    size_t n_pus;
};
/* {enforcerId, publicKey (base64), addresses, processingUnits: [{namespace, tags}]} */
int peer_host_parse(const char *file, const char *text, size_t len, enum document_format format,
                    struct diagnostics *diagnostics, struct peer_host **ret);
void peer_host_free(struct peer_host **host);
char *peer_host_format(const struct peer_host *host); /* YAML; owned by the caller */

/* The nearest word of a list by edit distance, NULL when none is near; for "did you mean". */
const char *nearest_word(const char *word, const char *const *words, size_t n);
