/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Object kinds of the Console's API, described once, as data (product reference 4.5, 4.6): from
 * these tables come validation, storage, GET /openapi.json, the columns and completion of
 * `bulkhead api`, and the reference in docs/formats/objects.md. A new kind is one more table.
 * Pure: opens no file, reads no clock, writes no log.
 *
 * Two forms of an object, both as JSON:
 *   complete  what the API shows: every attribute, defaults filled in
 *   sparse    what is stored: only attributes that differ from their default, and none of the
 *             computed ones (SCHEMA_COMPUTED: ID, namespace, createTime, updateTime,
 * normalizedTags…)
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"

#define SCHEMA_PROBLEMS_MAX 64
#define SCHEMA_DEPTH_MAX 16     /* of a request body */
#define SCHEMA_STRING_MAX 65536 /* bytes of a string without a limit of its own */
#define SCHEMA_LIST_MAX 65536
#define SCHEMA_ID_LEN 24 /* lower-case hexadecimal digits */

enum schema_type {
    SCHEMA_STRING,
    SCHEMA_BOOL,
    SCHEMA_INTEGER,
    SCHEMA_FLOAT,
    SCHEMA_TIME,        /* RFC 3339, UTC, milliseconds */
    SCHEMA_DURATION,    /* 30s, 15m, 24h, 1h30m (text) */
    SCHEMA_ENUM,        /* one of `choices` */
    SCHEMA_STRINGS,     /* list of strings */
    SCHEMA_TAG_EXPR,    /* list of lists of tags */
    SCHEMA_STRING_MAP,  /* string → string */
    SCHEMA_STRINGS_MAP, /* string → list of strings */
    SCHEMA_OBJECT,      /* one embedded object */
    SCHEMA_OBJECTS,     /* a list of embedded objects */
    SCHEMA_FREE,        /* any JSON */
};

enum schema_flag {
    SCHEMA_REQUIRED = 1 << 0,
    SCHEMA_READ_ONLY = 1 << 1,       /* users cannot set it; given with its present value is fine */
    SCHEMA_CREATION_ONLY = 1 << 2,   /* cannot change after creation */
    SCHEMA_COMPUTED = 1 << 3,        /* never stored: filled in when the object is shown */
    SCHEMA_TRANSIENT = 1 << 4,       /* taken or answered once, never stored */
    SCHEMA_SECRET = 1 << 5,          /* stored, never answered */
    SCHEMA_ENFORCER_WRITES = 1 << 6, /* only an Enforcer (or the Console itself) may set it */
    SCHEMA_DEPRECATED = 1 << 7,
    SCHEMA_NO_EFFECT = 1 << 9, /* kept; nothing of this version acts upon it, and answers say so */
    SCHEMA_NOT_NULL = 1 << 8,  /* null is an error: half a line must not turn into the default */
};

/* Who writes: decides which attributes may be set. */
enum schema_writer { SCHEMA_WRITER_USER, SCHEMA_WRITER_ENFORCER, SCHEMA_WRITER_CONSOLE };

enum schema_verb {
    SCHEMA_LIST = 1 << 0,
    SCHEMA_CREATE = 1 << 1,
    SCHEMA_GET = 1 << 2,
    SCHEMA_UPDATE = 1 << 3,
    SCHEMA_DELETE = 1 << 4,
};

struct schema_index;
struct schema_kind;
struct schema_problems;

/* Why a value is wrong: appends what was expected to `problem` and returns false. Of a list and of
 * a map it is asked about each value. */
typedef bool schema_check_fn(const json_t *value, struct buf *problem);
/* What no single value shows (duplicates, overlaps, combinations). Adds problems whose attribute is
 * relative to the value: "[1]", ".object", "". Asked only when the parts are right by themselves.
 */
typedef bool schema_whole_fn(const json_t *value, struct schema_problems *problems);

struct schema_attribute {
    const char *name;
    enum schema_type type;
    unsigned flags;
    const char *fallback;       /* default as JSON text; NULL: the type's empty value */
    const char *const *choices; /* SCHEMA_ENUM: NULL-terminated */
    size_t max_chars;           /* strings; 0: SCHEMA_STRING_MAX bytes */
    size_t max_items;           /* lists and maps; 0: SCHEMA_LIST_MAX */
    int64_t minimum, maximum;   /* SCHEMA_INTEGER; both 0: any */
    schema_check_fn *check;     /* NULL: the type says all */
    schema_whole_fn *whole;     /* NULL: nothing more */
    const struct schema_kind *embedded;
    const char *help; /* one sentence */
};

/* Groups of attributes that many kinds share (product reference 4.5), as bits. A kind may describe
 * one of them itself: its own description counts. Stored kinds and namespaced ones have an ID. */
enum schema_mixin {
    SCHEMA_BASE = 1 << 0, /* associatedTags, annotations, normalizedTags, protected */
    SCHEMA_NAMED = 1 << 1,
    SCHEMA_DESCRIBED = 1 << 2,
    SCHEMA_NAMESPACED = 1 << 3,
    SCHEMA_TIMEABLE = 1 << 4,
    SCHEMA_METADATABLE = 1 << 5,
    SCHEMA_DISABLED = 1 << 6,
    SCHEMA_PROPAGATED = 1 << 7,
    SCHEMA_FALLBACK = 1 << 8,
    SCHEMA_HIDDEN = 1 << 9,
    SCHEMA_SCHEDULABLE = 1 << 10,
    SCHEMA_ARCHIVABLE = 1 << 11,
};

enum schema_unique { SCHEMA_UNIQUE_NOTHING, SCHEMA_UNIQUE_NAME_IN_NAMESPACE, SCHEMA_UNIQUE_NAME };

/* Is it in what POST /export gives? */
enum schema_export {
    SCHEMA_EXPORT_NAMED,  /* when `identities` name it */
    SCHEMA_EXPORT_ALWAYS, /* also when they name nothing */
    SCHEMA_EXPORT_NEVER,  /* it would be nothing without its secrets, or its host */
};

struct schema_query_key { /* a query parameter of one route */
    const char *name, *help;
    enum schema_type type;      /* SCHEMA_STRING, or SCHEMA_INTEGER (not negative), FLOAT, TIME */
    const char *const *choices; /* NULL: any */
    unsigned verbs;             /* that take it, of those of the route; 0: all */
};

struct schema_sub_route { /* /parents/:id/children */
    const char *child;    /* plural of the child kind, or a word (poke) */
    unsigned verbs;       /* SCHEMA_LIST, SCHEMA_CREATE */
    const struct schema_query_key *keys;
    size_t n_keys;
};

struct schema_kind {
    const char *name;           /* "networkrulesetpolicy" */
    const char *plural;         /* "networkrulesetpolicies": the URL; NULL for embedded kinds */
    const char *entity;         /* "NetworkRuleSetPolicy" */
    const char *const *aliases; /* NULL-terminated, or NULL */
    const char *help;
    unsigned verbs;
    unsigned mixins;
    enum schema_unique unique;
    bool stored;                 /* false: computed by its own code (issue, search, …) */
    enum schema_export exported; /* of what is stored */
    bool hidden;                 /* not in the API at all: the Console's own bookkeeping */
    const struct schema_attribute *attributes; /* without the mixins' */
    size_t n_attributes;
    schema_whole_fn *check; /* of the object in sparse form; NULL: nothing more */
    const struct schema_sub_route *sub_routes;
    size_t n_sub_routes;
    const struct schema_query_key *keys; /* of /kinds and /kinds/:id, besides schema_verb_keys() */
    size_t n_keys;
    const char *const *columns; /* of a table, NULL-terminated; NULL: ID, name, namespace */
    struct schema_index *index; /* private: SCHEMA_INDEX of internal.h */
};

struct schema_problem {
    char *attribute; /* "outgoingRules[0].protocolPorts[1]" */
    char *message;   /* "found 'tcp/99999', expected a port of 0..65535" */
};
struct schema_problems {
    struct schema_problem items[SCHEMA_PROBLEMS_MAX];
    size_t n, n_dropped;
};
void schema_problem_add(struct schema_problems *problems, const char *attribute, const char *format,
                        ...) _printf_(3, 4);
void schema_problems_clear(struct schema_problems *problems);
#define _cleanup_schema_problems_ _cleanup_(schema_problems_clear)

/* All kinds, sorted by name, with the embedded (no plural) and the hidden ones. */
const struct schema_kind *const *schema_kinds(size_t *ret_n);
/* By name, plural, entity or alias, not case sensitive; NULL when there is none. */
const struct schema_kind *schema_kind_find(const char *word);
const struct schema_kind *schema_kind_by_plural(const char *plural); /* exact: for URLs */
const char *schema_kind_nearest(const char *word);                   /* for "did you mean"; NULL */
/* The i-th attribute, mixins included, in the order they are shown; NULL past the end. */
const struct schema_attribute *schema_attribute_at(const struct schema_kind *kind, size_t i);
const struct schema_attribute *schema_attribute_find(const struct schema_kind *kind,
                                                     const char *name);
const char *schema_attribute_nearest(const struct schema_kind *kind, const char *word); /* NULL */

bool schema_kind_can_be_exported(const struct schema_kind *kind);

/*
 * Check what somebody sent and bring it into sparse form. The result shares its inner values with
 * `given` and `stored`: replace them, do not change them in place.
 *
 * null means the default. COMPUTED attributes are checked for their type and left out: whoever
 * keeps ID, namespace and updateTime compares them. An attribute that the writer may not set is
 * fine when it is absent or has its present value; SECRET ones that are absent keep theirs.
 * @param stored  NULL: a creation; else the present object (sparse): attributes that `given` lacks
 *                keep their value when `partial` (PATCH), get their default otherwise (PUT)
 * @param ret     new reference; also has the TRANSIENT attributes given (the caller takes them out)
 * @return 0; -BULKHEAD_EINVALID_INPUT with at least one problem; -ENOMEM
 */
int schema_accept(const struct schema_kind *kind, enum schema_writer writer, const json_t *given,
                  const json_t *stored, bool partial, struct schema_problems *problems,
                  json_t **ret);
/* Take out secrets, fill in defaults. `computed`: attributes to merge (ID, namespace, …); may be
 * NULL. `fields`: names wanted, NULL-terminated, NULL: all. New reference, NULL on ENOMEM. */
json_t *schema_complete(const struct schema_kind *kind, const json_t *sparse,
                        const json_t *computed, const char *const *fields);

/* Query parameters that a verb takes on every route, besides the kind's own. */
const struct schema_query_key *schema_verb_keys(enum schema_verb verb, size_t *ret_n);

/* ---- Texts with a meaning ------------------------------------------------------------------ */

/* RFC 3339 with any offset, also "YYYY-MM-DD" and "YYYY-MM-DD HH:MM" (UTC); false: not a time. */
bool schema_time_parse(const char *text, int64_t *ret_ms);
#define SCHEMA_TIME_LEN 24                                           /* 2026-01-02T03:04:05.678Z */
bool schema_time_format(int64_t ms, char text[SCHEMA_TIME_LEN + 1]); /* false: year not 0..9999 */
/* 30s, 15m, 24h, 4d, 1h30m, 250ms, 1.5h; with a sign when `is_signed`. */
bool schema_duration_parse(const char *text, bool is_signed, int64_t *ret_ms);

/* OpenAPI 3.0 of every route that the tables describe. New reference; NULL on ENOMEM. */
json_t *schema_openapi(const char *version);
/* docs/formats/objects.md. Owned by the caller; NULL on ENOMEM. */
char *schema_reference(void);

/* ---- Roles (product reference 1.10) -------------------------------------------------------- */

struct schema_role {
    const char *key; /* "@auth:role=namespace.administrator" */
    const char *name, *help;
    bool is_private; /* for machines */
    /* "kind:verb,verb" with verbs any, get, list, post, put, patch, delete; kind "*": all kinds */
    const char *const *authorizations;
};
const struct schema_role *schema_roles(size_t *ret_n);
const struct schema_role *schema_role_find(const char *key);
