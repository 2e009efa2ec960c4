/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "model/model.h"
#include "schema/internal.h"

/* Checks of single texts. Each appends what was expected and returns false. */

#define VERSION_MAX 64
#define INTERFACE_MAX 15 /* IFNAMSIZ - 1 */
#define NATIVE_NAME_MAX 127
#define CRON_FIELDS 5
#define WORDS_MAX 64

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* `problem`: NULL when the text is right. */
static bool expect(struct buf *text, const char *problem)
{
    if (problem)
        buf_puts(text, problem);
    return !problem;
}

bool schema_check_name(const json_t *value, struct buf *problem)
{
    for (const char *c = json_string_value(value); *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return expect(problem, "text without control characters");
    return true;
}

/* ---- Tags: what the prefix says about who may set it (product reference 1.5) ---- */

bool schema_check_tag(const json_t *value, struct buf *problem)
{
    return expect(problem, tag_problem(json_string_value(value)));
}

bool schema_check_free_tag(const json_t *value, struct buf *problem)
{
    if (!schema_check_tag(value, problem))
        return false;
    return expect(problem, strchr("@$+", *json_string_value(value))
                               ? "a tag that does not start with '@', '$' or '+'"
                               : NULL);
}

bool schema_check_metadata_tag(const json_t *value, struct buf *problem)
{
    const char *tag = json_string_value(value);

    if (!schema_check_tag(value, problem))
        return false;
    if (*tag != '@')
        return expect(problem, "a tag that starts with '@'");
    return expect(
        problem, strncmp(tag, "@auth:", 6) == 0 ? "a tag that does not start with '@auth:'" : NULL);
}

bool schema_check_org_tag(const json_t *value, struct buf *problem)
{
    if (!schema_check_tag(value, problem))
        return false;
    return expect(problem, strncmp(json_string_value(value), "@org:", 5) == 0
                               ? NULL
                               : "a tag that starts with '@org:'");
}

bool schema_check_prefix(const json_t *value, struct buf *problem)
{
    const char *text = json_string_value(value);

    if (!*text || strlen(text) > MODEL_TAG_BYTES_MAX || strchr(text, ' '))
        return expect(problem, "the start of a tag, like 'app=' or '@org:'");
    return schema_check_name(value, problem);
}

/* ---- Names of things ---- */

/* A full path, or what hangs below the namespace of the request. */
bool schema_check_namespace(const json_t *value, struct buf *problem)
{
    const char *name = json_string_value(value);
    char joined[MODEL_NAMESPACE_MAX + 2];

    if (strlen(name) >= MODEL_NAMESPACE_MAX)
        return expect(problem, "a namespace of at most 1024 characters");
    snprintf(joined, sizeof(joined), "%s%s", *name == '/' ? "" : "/", name);
    return expect(problem, namespace_problem(joined));
}

bool schema_check_namespace_name(const json_t *value, struct buf *problem)
{
    if (strcmp(json_string_value(value), "/") == 0)
        return expect(problem, "the name of a namespace below the root");
    return schema_check_namespace(value, problem);
}

bool schema_check_native_name(const json_t *value, struct buf *problem)
{
    const char *name = json_string_value(value);
    size_t len = strlen(name);

    return expect(problem, len > NATIVE_NAME_MAX || strspn(name, LETTERS DIGITS "_") != len
                               ? "at most 127 letters, digits and '_'"
                               : NULL);
}

bool schema_check_interface(const json_t *value, struct buf *problem)
{
    const char *name = json_string_value(value);
    size_t len = strlen(name);
    bool wrong = len == 0 || len > INTERFACE_MAX || strcmp(name, ".") == 0 ||
                 strcmp(name, "..") == 0 || strpbrk(name, "/: \t\n");

    return expect(problem, wrong ? "the name of a network interface (1 to 15 characters)" : NULL);
}

bool schema_check_id(const json_t *value, struct buf *problem)
{
    const char *id = json_string_value(value);

    return expect(problem,
                  strlen(id) != SCHEMA_ID_LEN || strspn(id, "0123456789abcdef") != SCHEMA_ID_LEN
                      ? "an ID of 24 hexadecimal digits"
                      : NULL);
}

bool schema_check_email(const json_t *value, struct buf *problem)
{
    const char *text = json_string_value(value), *at = strchr(text, '@');
    bool wrong = !at || at == text || !at[1] || strchr(at + 1, '@') || strpbrk(text, " \t\r\n<>");

    return expect(problem, wrong ? "an e-mail address" : NULL);
}

/* Semantic versions: 1.2.3, with a leading v, with -pre.1 or +build behind. */
bool schema_check_version(const json_t *value, struct buf *problem)
{
    const char *text = json_string_value(value);
    const char *at = text + (*text == 'v');
    bool ok = strlen(text) <= VERSION_MAX;

    for (int i = 0; ok && i < 3; i++) {
        size_t n = strspn(at, DIGITS);

        ok = n > 0 && n < 10 && (i == 2 || at[n] == '.');
        at += n + (i < 2);
    }
    if (ok && *at)
        ok = (*at == '-' || *at == '+') && at[1] &&
             strspn(at + 1, LETTERS DIGITS ".-+") == strlen(at + 1);
    return expect(problem, ok ? NULL : "a version like 1.2.3");
}

/* ---- Networks ---- */

static bool check_prefix_text(const char *text, struct buf *problem)
{
    struct cidr_list list = {0};
    const char *expected = "an IP address or CIDR";
    int r = cidr_list_add(&list, text, &expected);

    cidr_list_clear(&list);
    return expect(problem, r < 0 ? expected : NULL);
}

bool schema_check_cidr(const json_t *value, struct buf *problem)
{
    if (*json_string_value(value) == '!')
        return expect(problem, "an IP address or CIDR");
    return check_prefix_text(json_string_value(value), problem);
}

bool schema_check_network(const json_t *value, struct buf *problem)
{
    return check_prefix_text(json_string_value(value), problem);
}

bool schema_check_unicast_network(const json_t *value, struct buf *problem)
{
    static const char *const multicast[] = {"224.0.0.0/4", "ff00::/8"};
    const char *text = json_string_value(value);
    struct ip_prefix group, prefix;

    if (!check_prefix_text(text, problem))
        return false;
    if (*text == '!' || ip_prefix_parse(text, &prefix) < 0)
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(multicast); i++)
        if (ip_prefix_parse(multicast[i], &group) == 0 && ip_prefix_contains(&group, &prefix))
            return expect(problem, "a network that is not multicast");
    return true;
}

/* ---- Objects, schedules, keys ---- */

bool schema_check_object_map(const json_t *value, struct buf *problem)
{
    return expect(problem, json_is_object(value) ? NULL : "an object");
}

/* minute hour day month weekday: numbers, names, '*', ranges, lists, steps. */
bool schema_check_cron(const json_t *value, struct buf *problem)
{
    const char *at = json_string_value(value);
    int fields = 0;

    while (*at) {
        size_t n = strspn(at, LETTERS DIGITS "*,-/");

        if (n == 0)
            break;
        fields++;
        at += n;
        at += strspn(at, " ");
    }
    return expect(problem, *at || fields != CRON_FIELDS
                               ? "five cron fields: minute hour day month weekday"
                               : NULL);
}

static bool check_pem(const json_t *value, const char *label, struct buf *problem)
{
    const char *text = json_string_value(value);
    char line[64];

    snprintf(line, sizeof(line), "-----BEGIN %s-----", label);
    if (strncmp(text, line, strlen(line)) == 0) {
        snprintf(line, sizeof(line), "-----END %s-----", label);
        if (strstr(text, line))
            return true;
    }
    buf_printf(problem, "a PEM text (-----BEGIN %s-----)", label);
    return false;
}

bool schema_check_certificates(const json_t *value, struct buf *problem)
{
    return check_pem(value, "CERTIFICATE", problem);
}

bool schema_check_public_key(const json_t *value, struct buf *problem)
{
    return check_pem(value, "PUBLIC KEY", problem);
}

bool schema_check_request(const json_t *value, struct buf *problem)
{
    return check_pem(value, "CERTIFICATE REQUEST", problem);
}

/* ---- Permissions ---- */

bool schema_check_identity(const json_t *value, struct buf *problem)
{
    const char *word = json_string_value(value), *nearest;

    if (schema_kind_find(word))
        return true;
    nearest = schema_kind_nearest(word);
    if (nearest)
        buf_printf(problem, "the name of a kind: did you mean '%s'?", nearest);
    else
        buf_puts(problem, "the name of a kind");
    return false;
}

static bool check_role(const char *key, struct buf *problem)
{
    const char *words[WORDS_MAX], *nearest;
    const struct schema_role *roles;
    size_t n;

    if (schema_role_find(key))
        return true;
    roles = schema_roles(&n);
    for (size_t i = 0; i < n && i < WORDS_MAX; i++)
        words[i] = roles[i].key;
    nearest = nearest_word(key, words, MIN(n, (size_t)WORDS_MAX));
    buf_puts(problem, "a role of GET /roles");
    if (nearest)
        buf_printf(problem, ": did you mean '%s'?", nearest);
    return false;
}

/* "kind,verb,verb" */
static bool check_raw(const char *text, struct buf *problem)
{
    static const char *const verbs[] = {"any", "get", "list", "post", "put", "patch", "delete"};
    const char *at = text + strcspn(text, ",");
    char kind[WORDS_MAX];

    snprintf(kind, sizeof(kind), "%.*s", (int)MIN(at - text, (ptrdiff_t)WORDS_MAX), text);
    if (!*at || (strcmp(kind, "*") != 0 && !schema_kind_find(kind)))
        return expect(problem,
                      "a role '@auth:role=…', or 'KIND,VERB' with the name of a kind or *");
    while (*at) {
        size_t n = strcspn(++at, ","), i = 0;

        while (i < ARRAY_SIZE(verbs) && (strlen(verbs[i]) != n || strncmp(verbs[i], at, n) != 0))
            i++;
        if (i == ARRAY_SIZE(verbs))
            return expect(problem, "verbs of any, get, list, post, put, patch and delete behind "
                                   "the kind");
        at += n;
    }
    return true;
}

bool schema_check_permission(const json_t *value, struct buf *problem)
{
    const char *text = json_string_value(value);

    return *text == '@' ? check_role(text, problem) : check_raw(text, problem);
}
