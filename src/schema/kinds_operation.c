/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/internal.h"

/* Looking around: activities, tags, search, health (product reference 4.6 D). None is stored as an
 * object. */

#define RO SCHEMA_READ_ONLY

static const struct schema_attribute activity_attributes[] = {
    {.name = "date", .type = SCHEMA_TIME, .flags = RO, .help = "When it was."},
    {.name = "operation",
     .type = SCHEMA_STRING,
     .flags = RO,
     .help = "create, update, delete, and what else there is."},
    {.name = "targetIdentity", .type = SCHEMA_STRING, .flags = RO, .help = "Kind of the object."},
    {.name = "targetID", .type = SCHEMA_STRING, .flags = RO, .help = "The object."},
    {.name = "targetName", .type = SCHEMA_STRING, .flags = RO, .help = "Its name."},
    {.name = "message", .type = SCHEMA_STRING, .flags = RO, .help = "What was done."},
    {.name = "source", .type = SCHEMA_STRING, .flags = RO, .help = "Who did it and from where."},
    {.name = "claims",
     .type = SCHEMA_FREE,
     .flags = RO,
     .fallback = "[]",
     .help = "Claims of who did it."},
    {.name = "diff", .type = SCHEMA_STRING, .flags = RO, .help = "What was changed."},
    {.name = "error",
     .type = SCHEMA_FREE,
     .flags = RO,
     .help = "Why it was refused; null when it was not."},
    {.name = "revision", .type = SCHEMA_INTEGER, .flags = RO, .help = "Revision of the change."},
    {.name = "data",
     .type = SCHEMA_FREE,
     .flags = RO | SCHEMA_DEPRECATED,
     .help = "The object after it."},
    {.name = "originalData",
     .type = SCHEMA_FREE,
     .flags = RO | SCHEMA_DEPRECATED,
     .help = "The object before it."},
};

static const struct schema_query_key activity_keys[] = {
    {.name = "startAbsolute",
     .verbs = SCHEMA_LIST,
     .type = SCHEMA_TIME,
     .help = "From this time on (RFC 3339)."},
    {.name = "endAbsolute",
     .verbs = SCHEMA_LIST,
     .type = SCHEMA_TIME,
     .help = "Up to this time (RFC 3339)."},
    {.name = "startRelative", .verbs = SCHEMA_LIST, .help = "From this long ago on, like `24h`."},
    {.name = "endRelative", .verbs = SCHEMA_LIST, .help = "Up to this long ago."},
};

static const struct schema_kind kind_activity = {
    .name = "activity",
    .plural = "activities",
    .entity = "Activity",
    .help = "Who changed what.",
    .verbs = SCHEMA_LIST | SCHEMA_GET,
    .mixins = SCHEMA_NAMESPACED,
    SCHEMA_ATTRIBUTES(activity_attributes),
    SCHEMA_KEYS(activity_keys),
    .columns = SCHEMA_WORDS("date", "namespace", "operation", "targetIdentity", "message"),
    .index = SCHEMA_INDEX,
};

static const struct schema_attribute tag_attributes[] = {
    {.name = "value", .type = SCHEMA_STRING, .flags = RO, .help = "The tag, `key=value`."},
    {.name = "count", .type = SCHEMA_INTEGER, .flags = RO, .help = "Objects that have it."},
};

static const struct schema_query_key tag_keys[] = {
    {.name = "onlyPolicyTags", .help = "Only tags that policies use."},
};

static const struct schema_kind kind_tag = {
    .name = "tag",
    .plural = "tags",
    .entity = "Tag",
    .help = "Tags in use in a namespace.",
    .verbs = SCHEMA_LIST,
    .mixins = SCHEMA_NAMESPACED,
    SCHEMA_ATTRIBUTES(tag_attributes),
    SCHEMA_KEYS(tag_keys),
    .columns = SCHEMA_WORDS("value", "count", "namespace"),
    .index = SCHEMA_INDEX,
};

static const struct schema_attribute tagvalue_attributes[] = {
    {.name = "key", .type = SCHEMA_STRING, .flags = RO, .help = "What is before the `=`."},
    {.name = "values", .type = SCHEMA_STRINGS, .flags = RO, .help = "What is behind it."},
};

static const struct schema_query_key tagvalue_keys[] = {
    {.name = "key", .help = "Only this key."},
};

static const struct schema_kind kind_tagvalue = {
    .name = "tagvalue",
    .plural = "tagvalues",
    .entity = "TagValue",
    .help = "Values in use, by key.",
    .verbs = SCHEMA_LIST,
    SCHEMA_ATTRIBUTES(tagvalue_attributes),
    SCHEMA_KEYS(tagvalue_keys),
    .columns = SCHEMA_WORDS("key", "values"),
    .index = SCHEMA_INDEX,
};

static const struct schema_attribute search_attributes[] = {
    {.name = "objectIdentity", .type = SCHEMA_STRING, .flags = RO, .help = "Kind of the object."},
    {.name = "objectID", .type = SCHEMA_STRING, .flags = RO, .help = "The object."},
    {.name = "objectNamespace", .type = SCHEMA_STRING, .flags = RO, .help = "Its namespace."},
    {.name = "object", .type = SCHEMA_FREE, .flags = RO, .help = "The object, complete."},
    {.name = "score", .type = SCHEMA_FLOAT, .flags = RO, .help = "How well it fits."},
};

static const struct schema_query_key search_keys[] = {
    {.name = "q", .help = "Words, all of which an object has: in its name, tags, description."},
};

static const struct schema_kind kind_search = {
    .name = "search",
    .plural = "search",
    .entity = "Search",
    .help = "Objects of every kind that fit some words, given as `q`.",
    .verbs = SCHEMA_LIST,
    SCHEMA_ATTRIBUTES(search_attributes),
    SCHEMA_KEYS(search_keys),
    .columns = SCHEMA_WORDS("objectIdentity", "objectID", "objectNamespace", "score"),
    .index = SCHEMA_INDEX,
};

static const struct schema_attribute health_attributes[] = {
    {.name = "name", .type = SCHEMA_STRING, .flags = RO, .help = "What was looked at."},
    {.name = "type",
     .type = SCHEMA_ENUM,
     .flags = RO,
     .choices = SCHEMA_WORDS("Cache", "Database", "General", "MessagingSystem", "Service", "TSDB"),
     .help = "What it is."},
    {.name = "status",
     .type = SCHEMA_ENUM,
     .flags = RO,
     .choices = SCHEMA_WORDS("Degraded", "Offline", "Operational"),
     .help = "How it is."},
    {.name = "responseTime",
     .type = SCHEMA_DURATION,
     .flags = RO,
     .help = "How long it took: the last transaction."},
    {.name = "alerts", .type = SCHEMA_STRINGS, .flags = RO, .help = "What is wrong."},
};

static const struct schema_query_key health_keys[] = {
    {.name = "quiet", .help = "Only the status code."},
};

static const struct schema_kind kind_healthcheck = {
    .name = "healthcheck",
    .plural = "healthchecks",
    .entity = "HealthCheck",
    .help = "How the Console is.",
    .verbs = SCHEMA_LIST,
    SCHEMA_ATTRIBUTES(health_attributes),
    SCHEMA_KEYS(health_keys),
    .columns = SCHEMA_WORDS("name", "type", "status", "responseTime"),
    .index = SCHEMA_INDEX,
};

const struct schema_kind *const schema_kinds_operation[] = {
    &kind_activity, &kind_tag, &kind_tagvalue, &kind_search, &kind_healthcheck, NULL,
};
