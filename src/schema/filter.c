/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/text.h"
#include "schema/filter_internal.h"
#include "schema/schema.h"

/*
 *   filter     = term { ("and" | "or") term }          left-associative, equal precedence
 *   term       = "(" filter ")" | key operator
 *   operator   = ("==" | "!=" | "<" | "<=" | ">" | ">=") scalar
 *              | ["not"] ("contains" | "in") values | "matches" values | ["not"] "exists"
 *   values     = scalar | "[" scalar { "," scalar } "]"
 *   scalar     = word | "quoted" | 'quoted' | integer | float | true | false | date(…) | now(…)
 *
 * The parser is a cursor with a sticky error: after it everything is a no-op.
 */
struct parser {
    const char *text, *at;
    struct buf *problem;
    struct filter *filter;
    int64_t now_ms;
    unsigned depth;
    int error;
};

#define SPACES " \t\r\n"
#define KEY_ENDS SPACES "()[],=!<>\"'"
#define VALUE_ENDS SPACES "()[],\"'"
#define ESCAPABLE SPACES "()[],=!<>\"'\\"

static void fail(struct parser *parser, const char *at, const char *expected)
{
    size_t n;

    if (parser->error)
        return;
    parser->error = -EINVAL;
    buf_printf(parser->problem, "column %zu: found ",
               text_utf8_count(parser->text, (size_t)(at - parser->text)) + 1);
    n = strcspn(at, SPACES);
    if (*at)
        text_quote(parser->problem, at, n ? n : 1);
    else
        buf_puts(parser->problem, "the end");
    buf_printf(parser->problem, ", expected %s", expected);
}

static void too_many(struct parser *parser, const char *what, unsigned max)
{
    if (parser->error)
        return;
    parser->error = -BULKHEAD_ETOOMANY;
    buf_printf(parser->problem, "found too many %s, expected at most %u", what, max);
}

static void skip_spaces(struct parser *parser)
{
    parser->at += strspn(parser->at, SPACES);
}

/* A word of the language, in any case, that ends where a word ends. */
static bool take_word(struct parser *parser, const char *word)
{
    size_t n = strlen(word);

    skip_spaces(parser);
    if (strncasecmp(parser->at, word, n) != 0 || !strchr(KEY_ENDS, parser->at[n]))
        return false;
    parser->at += n;
    return true;
}

static bool take(struct parser *parser, const char *mark)
{
    skip_spaces(parser);
    if (strncmp(parser->at, mark, strlen(mark)) != 0)
        return false;
    parser->at += strlen(mark);
    return true;
}

static struct filter_item *item_new(struct parser *parser, enum filter_op op)
{
    struct filter *filter = parser->filter;
    struct filter_item *item, **items;

    if (filter->n == FILTER_NODES_MAX)
        too_many(parser, "comparisons", FILTER_NODES_MAX / 2);
    if (parser->error)
        return NULL;
    if (filter->n == filter->size) {
        items = reallocarray(filter->items, filter->size ? filter->size * 2 : 8, sizeof(*items));
        if (!items) {
            parser->error = -ENOMEM;
            return NULL;
        }
        filter->items = items;
        filter->size = filter->size ? filter->size * 2 : 8;
    }
    item = calloc(1, sizeof(*item));
    if (!item) {
        parser->error = -ENOMEM;
        return NULL;
    }
    item->node.op = op;
    filter->items[filter->n++] = item;
    return item;
}

/* ---- Words and values ---- */

/* A backslash before a character with a meaning takes that away; before any other it stays, so that
 * regular expressions can be written as they are. */
static void read_bare(struct parser *parser, const char *ends, struct buf *word)
{
    while (*parser->at && !strchr(ends, *parser->at)) {
        if (*parser->at == '\\' && parser->at[1] && strchr(ESCAPABLE, parser->at[1]))
            parser->at++;
        buf_append(word, parser->at++, 1);
    }
}

static void read_quoted(struct parser *parser, struct buf *word)
{
    const char *start = parser->at;
    char quote = *parser->at++;

    while (*parser->at && *parser->at != quote) {
        if (*parser->at == '\\' && parser->at[1] && strchr("\"'\\", parser->at[1]))
            parser->at++;
        buf_append(word, parser->at++, 1);
    }
    if (*parser->at == quote)
        parser->at++;
    else
        fail(parser, start, "a quote at the end of the text as well");
}

/* True: the word was quoted. */
static bool read_word(struct parser *parser, const char *ends, struct buf *word)
{
    bool quoted;

    skip_spaces(parser);
    quoted = *parser->at == '"' || *parser->at == '\'';
    buf_puts(word, "");
    if (quoted)
        read_quoted(parser, word);
    else
        read_bare(parser, ends, word);
    if (word->error && !parser->error)
        parser->error = word->error == -ENOMEM ? -ENOMEM : -BULKHEAD_ETOOMANY;
    return quoted;
}

static char *read_key(struct parser *parser)
{
    _cleanup_buf_ struct buf word = BUF_INIT(FILTER_BYTES_MAX);
    const char *start;
    char *key;

    skip_spaces(parser);
    start = parser->at;
    read_word(parser, KEY_ENDS, &word);
    if (!parser->error && word.len == 0)
        fail(parser, start, "the name of an attribute, or '('");
    if (!parser->error && *word.data == '$')
        fail(parser, start,
             "the name of an attribute: tags that start with '$' are values, as in normalizedTags "
             "contains [\"$name=x\"]");
    if (parser->error)
        return NULL;
    key = buf_steal(&word);
    if (!key)
        parser->error = -ENOMEM;
    return key;
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)? that fits; anything else is text. */
static json_t *parse_number(const char *text)
{
    const char *at = text + (*text == '-');
    size_t n = strspn(at, "0123456789");
    long long integer;

    if (n == 0 || n > 18 || (*at == '0' && n > 1))
        return NULL;
    if (at[n] == '\0') {
        integer = strtoll(text, NULL, 10);
        return json_integer(integer);
    }
    if (at[n] != '.' || !at[n + 1] || strspn(at + n + 1, "0123456789") != strlen(at + n + 1))
        return NULL;
    return json_real(strtod(text, NULL));
}

static json_t *read_scalar(struct parser *parser)
{
    _cleanup_buf_ struct buf word = BUF_INIT(FILTER_BYTES_MAX);
    json_t *value = NULL;
    const char *start;
    bool quoted;

    skip_spaces(parser);
    start = parser->at;
    quoted = read_word(parser, VALUE_ENDS, &word);
    if (!parser->error && !quoted && word.len == 0)
        fail(parser, start, "a value: a word, a quoted text, a number, true or false");
    if (parser->error)
        return NULL;
    if (!quoted && strcmp(word.data, "true") == 0)
        return json_true();
    if (!quoted && strcmp(word.data, "false") == 0)
        return json_false();
    if (!quoted)
        value = parse_number(word.data);
    if (!value)
        value = json_stringn(word.data, word.len);
    if (!value)
        parser->error = -ENOMEM;
    return value;
}

/* The argument of date() and now(), "" when there is none. */
static void read_argument(struct parser *parser, struct buf *word)
{
    skip_spaces(parser);
    if (*parser->at == ')')
        buf_puts(word, "");
    else
        read_word(parser, "()[],\"'", word);
    if (!parser->error && !take(parser, ")"))
        fail(parser, parser->at, "')'");
}

static json_t *read_time(struct parser *parser, bool is_now)
{
    _cleanup_buf_ struct buf word = BUF_INIT(FILTER_BYTES_MAX);
    const char *start = parser->at;
    int64_t ms = 0;
    json_t *value;

    read_argument(parser, &word);
    if (parser->error)
        return NULL;
    if (is_now && word.len > 0 && !schema_duration_parse(word.data, true, &ms))
        fail(parser, start, "a duration in now(): -1h, 30m, -7d");
    if (is_now)
        ms += parser->now_ms;
    else if (!schema_time_parse(word.data, &ms))
        fail(parser, start, "a time in date(): 2026-01-31, 2026-01-31 23:50 or RFC 3339");
    if (parser->error)
        return NULL;
    value = json_integer(ms);
    if (!value)
        parser->error = -ENOMEM;
    return value;
}

static json_t *read_scalar_or_time(struct parser *parser, bool *ret_is_time)
{
    skip_spaces(parser);
    *ret_is_time = true;
    if (strncasecmp(parser->at, "date(", 5) == 0 || strncasecmp(parser->at, "now(", 4) == 0) {
        bool is_now = parser->at[0] == 'n' || parser->at[0] == 'N';

        parser->at += is_now ? 4 : 5;
        return read_time(parser, is_now);
    }
    *ret_is_time = false;
    return read_scalar(parser);
}

static json_t *read_values(struct parser *parser)
{
    bool list = take(parser, "[");
    json_t *values = json_array();

    if (!values)
        parser->error = -ENOMEM;
    do {
        json_t *value = parser->error ? NULL : read_scalar(parser);

        if (value && json_array_append_new(values, value) < 0)
            parser->error = -ENOMEM;
    } while (list && !parser->error && take(parser, ","));
    if (list && !parser->error && !take(parser, "]"))
        fail(parser, parser->at, "',' or ']'");
    return values;
}

/* ---- Comparisons ---- */

static bool read_mark(struct parser *parser, enum filter_op *ret)
{
    static const struct {
        const char *mark;
        enum filter_op op;
    } marks[] = {
        {"==", FILTER_EQUAL},         {"!=", FILTER_NOT_EQUAL}, {"<=", FILTER_LESS_EQUAL},
        {">=", FILTER_GREATER_EQUAL}, {"<", FILTER_LESS},       {">", FILTER_GREATER},
    };

    for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
        if (!take(parser, marks[i].mark))
            continue;
        *ret = marks[i].op;
        return true;
    }
    return false;
}

static void read_comparison(struct parser *parser, struct filter_item *item)
{
    const char *start;
    json_t *value;

    skip_spaces(parser);
    start = parser->at;
    value = item->value = read_scalar_or_time(parser, &item->node.is_time);
    if (!parser->error && item->node.op >= FILTER_LESS && json_is_boolean(value))
        fail(parser, start, "a number, a text or a time to compare with");
}

static void read_matches(struct parser *parser, struct filter_item *item)
{
    _cleanup_buf_ struct buf problem = BUF_INIT(1024);
    const char *start;

    skip_spaces(parser);
    start = parser->at;
    item->value = read_values(parser);
    if (parser->error)
        return;
    if (!filter_compile(parser->filter, item, &problem))
        fail(parser, start, problem.data ? problem.data : "a regular expression");
}

static void read_operator(struct parser *parser, struct filter_item *item)
{
    const char *start;
    bool negative;

    skip_spaces(parser);
    start = parser->at;
    if (read_mark(parser, &item->node.op)) {
        read_comparison(parser, item);
        return;
    }
    negative = take_word(parser, "not");
    if (take_word(parser, "exists")) {
        item->node.op = negative ? FILTER_NOT_EXISTS : FILTER_EXISTS;
    } else if (take_word(parser, "contains")) {
        item->node.op = negative ? FILTER_NOT_CONTAINS : FILTER_CONTAINS;
        item->value = read_values(parser);
    } else if (take_word(parser, "in")) {
        item->node.op = negative ? FILTER_NOT_IN : FILTER_IN;
        item->value = read_values(parser);
    } else if (!negative && take_word(parser, "matches")) {
        item->node.op = FILTER_MATCHES;
        read_matches(parser, item);
    } else {
        fail(parser, negative ? parser->at : start,
             negative ? "contains, in or exists behind 'not'"
                      : "an operator: ==, !=, <, <=, >, >=, contains, in, matches, exists, not …");
    }
}

static struct filter_node *read_filter(struct parser *parser);

static struct filter_node *read_term(struct parser *parser)
{
    struct filter_item *item;
    struct filter_node *node;

    if (take(parser, "(")) {
        if (++parser->depth > FILTER_DEPTH_MAX)
            too_many(parser, "parentheses in each other", FILTER_DEPTH_MAX);
        node = read_filter(parser);
        parser->depth--;
        if (!parser->error && !take(parser, ")"))
            fail(parser, parser->at, "'and', 'or' or ')'");
        return node;
    }
    item = item_new(parser, FILTER_EXISTS);
    if (!item)
        return NULL;
    item->node.key = item->key = read_key(parser);
    if (parser->error)
        return NULL;
    read_operator(parser, item);
    item->node.value = item->value;
    return &item->node;
}

static struct filter_node *read_filter(struct parser *parser)
{
    struct filter_node *left = parser->error ? NULL : read_term(parser);

    while (!parser->error) {
        bool is_and = take_word(parser, "and");
        struct filter_item *item;

        if (!is_and && !take_word(parser, "or"))
            break;
        item = item_new(parser, is_and ? FILTER_AND : FILTER_OR);
        if (!item)
            break;
        item->node.left = left;
        item->node.right = read_term(parser);
        left = &item->node;
    }
    return parser->error ? NULL : left;
}

int filter_parse(const char *text, int64_t now_ms, struct buf *problem, struct filter **ret)
{
    _cleanup_filter_ struct filter *filter = NULL;
    struct parser parser = {.text = text, .at = text, .problem = problem, .now_ms = now_ms};
    size_t len, bad;

    assert(text);
    assert(problem);
    assert(ret);

    len = strnlen(text, FILTER_BYTES_MAX + 1);
    if (len > FILTER_BYTES_MAX) {
        too_many(&parser, "bytes", FILTER_BYTES_MAX);
        return parser.error;
    }
    if (!text_utf8_valid(text, len, &bad)) {
        fail(&parser, text + bad, "UTF-8 text");
        return parser.error;
    }
    parser.filter = filter = calloc(1, sizeof(*filter));
    if (!filter)
        return -ENOMEM;
    filter->root = read_filter(&parser);
    skip_spaces(&parser);
    if (!parser.error && *parser.at)
        fail(&parser, parser.at, "'and', 'or' or the end");
    if (parser.error)
        return parser.error;
    *ret = TAKE_PTR(filter);
    return 0;
}

void filter_free(struct filter **filter)
{
    assert(filter);

    if (!*filter)
        return;
    for (size_t i = 0; i < (*filter)->n; i++) {
        struct filter_item *item = (*filter)->items[i];

        for (size_t j = 0; j < item->n_patterns; j++)
            regfree(&item->patterns[j]);
        free(item->patterns);
        free(item->key);
        json_decref(item->value);
        free(item);
    }
    free((*filter)->items);
    free(*filter);
    *filter = NULL;
}
