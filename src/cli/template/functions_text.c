/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of templates that make text. Argument order is that of Go and Sprig. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "cli/client/credential.h"
#include "cli/output.h"
#include "cli/template/internal.h"

#define ARGUMENTS struct run *run, json_t *const *arguments, size_t n
#define INDENT_MAX 1000
#define PARTS_MAX 100000

static struct buf new_text(void)
{
    return BUF_INIT(TEMPLATE_STRING_MAX);
}

/* The i-th argument as text; NULL with the error set. */
static char *argument(struct run *run, json_t *const *arguments, size_t i)
{
    return value_text(run, arguments[i]);
}

static json_t *print_all(struct run *run, json_t *const *arguments, size_t n, const char *between)
{
    _cleanup_buf_ struct buf text = new_text();

    for (size_t i = 0; i < n; i++) {
        _cleanup_free_
        char *part = argument(run, arguments, i);

        if (!part)
            return NULL;
        buf_printf(&text, "%s%s", i ? between : "", part);
    }
    return value_string(run, &text);
}

static json_t *f_print(ARGUMENTS)
{
    return print_all(run, arguments, n, "");
}

static json_t *f_cat(ARGUMENTS)
{
    return print_all(run, arguments, n, " ");
}

/* The form that a JSON string and a YAML double-quoted string share. */
static void append_json(struct buf *text, const json_t *value, size_t flags)
{
    _cleanup_free_
    char *json = json_dumps(value, JSON_ENCODE_ANY | flags);

    if (json)
        buf_puts(text, json);
    else
        text->error = -ENOMEM;
}

static json_t *f_quote(ARGUMENTS)
{
    _cleanup_buf_ struct buf text = new_text();

    for (size_t i = 0; i < n; i++) {
        _cleanup_free_
        char *part = json_is_null(arguments[i]) ? strdup("") : argument(run, arguments, i);
        json_t *string = part ? json_string(part) : NULL;

        if (!string)
            return NULL;
        if (i)
            buf_puts(&text, " ");
        append_json(&text, string, 0);
        json_decref(string);
    }
    return value_string(run, &text);
}

static json_t *f_squote(ARGUMENTS)
{
    _cleanup_buf_ struct buf text = new_text();

    for (size_t i = 0; i < n; i++) {
        _cleanup_free_
        char *part = json_is_null(arguments[i]) ? strdup("") : argument(run, arguments, i);

        if (!part)
            return NULL;
        buf_puts(&text, i ? " '" : "'");
        for (const char *at = part; *at; at++) /* doubled, as YAML reads it */
            buf_printf(&text, *at == '\'' ? "%c'" : "%c", *at);
        buf_puts(&text, "'");
    }
    return value_string(run, &text);
}

static json_t *f_to_json(ARGUMENTS)
{
    _cleanup_buf_ struct buf text = new_text();

    append_json(&text, arguments[0], JSON_COMPACT);
    return value_string(run, &text);
}

static json_t *f_to_pretty_json(ARGUMENTS)
{
    _cleanup_buf_ struct buf text = new_text();

    append_json(&text, arguments[0], JSON_INDENT(2));
    return value_string(run, &text);
}

static json_t *f_to_yaml(ARGUMENTS)
{
    _cleanup_buf_ struct buf text = new_text();
    _cleanup_free_
    char *yaml = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&yaml, &len);
    int r;

    if (!out)
        return NULL;
    r = output_yaml(out, arguments[0], false);
    if (fclose(out) != 0 || r < 0)
        return NULL;
    if (len >= 5 && strcmp(yaml + len - 5, "\n...\n") == 0) /* the end mark of a lone scalar */
        len -= 4;
    while (len > 0 && yaml[len - 1] == '\n')
        len--;
    buf_append(&text, yaml, len);
    return value_string(run, &text);
}

static json_t *indent(struct run *run, json_t *const *arguments, const char *first)
{
    _cleanup_buf_ struct buf text = new_text();
    _cleanup_free_
    char *part = argument(run, arguments, 1);
    json_int_t width = json_integer_value(arguments[0]);

    if (!json_is_integer(arguments[0]) || width < 0 || width > INDENT_MAX)
        return run_fail(run, "indent: expected a number of 0..%d first", INDENT_MAX);
    if (!part)
        return NULL;
    buf_printf(&text, "%s%*s", first, (int)width, "");
    for (const char *at = part; *at && !text.error; at++) {
        buf_append(&text, at, 1);
        if (*at == '\n')
            buf_printf(&text, "%*s", (int)width, "");
    }
    return value_string(run, &text);
}

static json_t *f_indent(ARGUMENTS)
{
    return indent(run, arguments, "");
}

static json_t *f_nindent(ARGUMENTS)
{
    return indent(run, arguments, "\n");
}

/* What is made of a text, by the argument before it where there are two. */
typedef void text_change_fn(const char *text, const char *with, struct buf *ret);

static json_t *changed(struct run *run, json_t *const *arguments, size_t n, text_change_fn *change)
{
    _cleanup_buf_ struct buf result = new_text();
    _cleanup_free_
    char *with = n == 2 ? argument(run, arguments, 0) : strdup("");
    _cleanup_free_
    char *text = with ? argument(run, arguments, n - 1) : NULL;

    if (!text)
        return NULL;
    change(text, with, &result);
    return value_string(run, &result);
}

/* ASCII only: other bytes stay. */
static void upper(const char *text, const char *with, struct buf *ret)
{
    for (; *text; text++)
        buf_printf(ret, "%c", (unsigned char)*text < 128 ? toupper(*text) : *text);
}

static void lower(const char *text, const char *with, struct buf *ret)
{
    for (; *text; text++)
        buf_printf(ret, "%c", (unsigned char)*text < 128 ? tolower(*text) : *text);
}

static void trim(const char *text, const char *with, struct buf *ret)
{
    static const char blanks[] = " \t\r\n";
    size_t len;

    text += strspn(text, blanks);
    len = strlen(text);
    while (len > 0 && strchr(blanks, text[len - 1]))
        len--;
    buf_append(ret, text, len);
}

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool ends_with(const char *text, const char *suffix)
{
    size_t len = strlen(text), n = strlen(suffix);

    return len >= n && strcmp(text + len - n, suffix) == 0;
}

static void trim_prefix(const char *text, const char *prefix, struct buf *ret)
{
    buf_puts(ret, begins_with(text, prefix) ? text + strlen(prefix) : text);
}

static void trim_suffix(const char *text, const char *suffix, struct buf *ret)
{
    buf_append(ret, text, strlen(text) - (ends_with(text, suffix) ? strlen(suffix) : 0));
}

static void put_or_fail(struct buf *ret, char *text)
{
    if (text)
        buf_puts(ret, text);
    else
        ret->error = -ENOMEM;
    free(text);
}

static void b64enc(const char *text, const char *with, struct buf *ret)
{
    put_or_fail(ret, base64_encode(text, strlen(text)));
}

static void sha256sum(const char *text, const char *with, struct buf *ret)
{
    put_or_fail(ret, sha256_hex(text, strlen(text)));
}

#define CHANGE(name)                                                                               \
    static json_t *f_##name(ARGUMENTS)                                                             \
    {                                                                                              \
        return changed(run, arguments, n, name);                                                   \
    }
CHANGE(upper)
CHANGE(lower)
CHANGE(trim)
CHANGE(trim_prefix)
CHANGE(trim_suffix)
CHANGE(b64enc)
CHANGE(sha256sum)

static json_t *f_replace(ARGUMENTS)
{
    _cleanup_buf_ struct buf text = new_text();
    _cleanup_free_
    char *old = argument(run, arguments, 0);
    _cleanup_free_
    char *new = old ? argument(run, arguments, 1) : NULL;
    _cleanup_free_
    char *part = new ? argument(run, arguments, 2) : NULL;
    const char *at = part, *hit;

    if (!part)
        return NULL;
    while (*old && !text.error && (hit = strstr(at, old))) {
        buf_append(&text, at, (size_t)(hit - at));
        buf_puts(&text, new);
        at = hit + strlen(old);
    }
    buf_puts(&text, at);
    return value_string(run, &text);
}

typedef bool text_test_fn(const char *text, const char *part);

static json_t *test(struct run *run, json_t *const *arguments, text_test_fn *holds)
{
    _cleanup_free_
    char *part = argument(run, arguments, 0);
    _cleanup_free_
    char *text = part ? argument(run, arguments, 1) : NULL;

    return text ? json_boolean(holds(text, part)) : NULL;
}

static bool has_part(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

static json_t *f_contains(ARGUMENTS)
{
    return test(run, arguments, has_part);
}

static json_t *f_has_prefix(ARGUMENTS)
{
    return test(run, arguments, begins_with);
}

static json_t *f_has_suffix(ARGUMENTS)
{
    return test(run, arguments, ends_with);
}

static json_t *f_join(ARGUMENTS)
{
    _cleanup_buf_ struct buf text = new_text();
    _cleanup_free_
    char *between = argument(run, arguments, 0);
    json_t *item;
    size_t i;

    if (!between)
        return NULL;
    if (!json_is_array(arguments[1]))
        return run_fail(run, "join: expected a list behind the separator");
    json_array_foreach(arguments[1], i, item)
    {
        _cleanup_free_
        char *part = value_text(run, item);

        if (!part)
            return NULL;
        buf_printf(&text, "%s%s", i ? between : "", part);
    }
    return value_string(run, &text);
}

static json_t *f_split_list(ARGUMENTS)
{
    _cleanup_free_
    char *between = argument(run, arguments, 0);
    _cleanup_free_
    char *text = between ? argument(run, arguments, 1) : NULL;
    json_t *list = text ? json_array() : NULL;
    const char *at = text, *hit;

    if (!list)
        return NULL;
    while (*between && json_array_size(list) < PARTS_MAX && (hit = strstr(at, between))) {
        json_array_append_new(list, json_stringn(at, (size_t)(hit - at)));
        at = hit + strlen(between);
    }
    json_array_append_new(list, json_string(at));
    if (run_charge(run, json_array_size(list) * 64))
        return list;
    json_decref(list);
    return NULL;
}

static json_t *f_b64dec(ARGUMENTS)
{
    _cleanup_buf_ struct buf text = new_text();
    _cleanup_free_
    char *part = argument(run, arguments, 0);
    size_t len = 0;
    _cleanup_free_
    char *decoded = part ? base64_decode(part, &len) : NULL;

    if (!decoded)
        return part ? run_fail(run, "b64dec: found something that is no base64") : NULL;
    buf_append(&text, decoded, len);
    return value_string(run, &text);
}

/* %s %v %d %q %t %%, without flags and widths. */
static json_t *f_printf(ARGUMENTS)
{
    _cleanup_buf_ struct buf text = new_text();
    _cleanup_free_
    char *format = argument(run, arguments, 0);
    size_t next = 1;

    for (const char *at = format; at && *at; at++) {
        json_t *one;

        if (*at != '%' || *++at == '%') {
            buf_append(&text, at, 1);
            continue;
        }
        if (!*at || !strchr("svdqt", *at))
            return run_fail(run, "printf: expected %%s, %%v, %%d, %%q, %%t or %%%%");
        if (next >= n)
            return run_fail(run, "printf: there are fewer values than the format has places");
        if (*at == 'd' && !json_is_integer(arguments[next]))
            return run_fail(run, "printf: %%d: expected a number");
        one = *at == 'q' ? f_quote(run, arguments + next, 1) : f_print(run, arguments + next, 1);
        if (!one)
            return NULL;
        buf_puts(&text, json_string_value(one));
        json_decref(one);
        next++;
    }
    if (format && next < n)
        return run_fail(run, "printf: there are more values than the format has places");
    return format ? value_string(run, &text) : NULL;
}

#define MANY TEMPLATE_ARGUMENTS_MAX
const struct template_function template_functions_text[] = {
    {"print", 1, MANY, f_print},
    {"printf", 1, MANY, f_printf},
    {"toString", 1, 1, f_print},
    {"cat", 1, MANY, f_cat},
    {"quote", 1, MANY, f_quote},
    {"squote", 1, MANY, f_squote},
    {"toJson", 1, 1, f_to_json},
    {"toPrettyJson", 1, 1, f_to_pretty_json},
    {"toYaml", 1, 1, f_to_yaml},
    {"indent", 2, 2, f_indent},
    {"nindent", 2, 2, f_nindent},
    {"upper", 1, 1, f_upper},
    {"lower", 1, 1, f_lower},
    {"trim", 1, 1, f_trim},
    {"trimPrefix", 2, 2, f_trim_prefix},
    {"trimSuffix", 2, 2, f_trim_suffix},
    {"replace", 3, 3, f_replace},
    {"contains", 2, 2, f_contains},
    {"hasPrefix", 2, 2, f_has_prefix},
    {"hasSuffix", 2, 2, f_has_suffix},
    {"join", 2, 2, f_join},
    {"splitList", 2, 2, f_split_list},
    {"b64enc", 1, 1, f_b64enc},
    {"b64dec", 1, 1, f_b64dec},
    {"sha256sum", 1, 1, f_sha256sum},
    {0},
};
