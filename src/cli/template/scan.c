/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "cli/template/internal.h"

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static size_t word_len(const struct scanner *scanner, const char *from)
{
    size_t len = 0;

    while (from + len < scanner->end && is_word(from[len]))
        len++;
    return len;
}

/* Up to and with the closing quote; 0 when there is none. */
static size_t string_len(const struct scanner *scanner)
{
    char quote = *scanner->at;

    for (const char *at = scanner->at + 1; at < scanner->end; at++) {
        if (*at == '\\' && quote != '`')
            at++;
        else if (*at == quote)
            return (size_t)(at - scanner->at) + 1;
        else if (*at == '\n' && quote != '`')
            return 0;
    }
    return 0;
}

static size_t number_len(const struct scanner *scanner)
{
    size_t len = *scanner->at == '-';

    while (scanner->at + len < scanner->end &&
           (is_word(scanner->at[len]) || scanner->at[len] == '.'))
        len++;
    return len;
}

static struct token scan(struct scanner *scanner)
{
    char c = *scanner->at, next = scanner->at + 1 < scanner->end ? scanner->at[1] : '\0';
    size_t len = word_len(scanner, scanner->at);

    if (c == '"' || c == '`' || c == '\'') {
        len = c == '\'' ? 0 : string_len(scanner);
        return (struct token){.kind = len ? TOKEN_STRING : TOKEN_WRONG, .len = len ? len : 1};
    }
    if (isdigit((unsigned char)c) || (c == '-' && isdigit((unsigned char)next)))
        return (struct token){.kind = TOKEN_NUMBER, .len = number_len(scanner)};
    if (len > 0)
        return (struct token){.kind = TOKEN_WORD, .len = len};
    len = word_len(scanner, scanner->at + 1);
    switch (c) {
    case '.':
        return (struct token){.kind = len ? TOKEN_FIELD : TOKEN_DOT, .len = 1 + len};
    case '$':
        return (struct token){.kind = TOKEN_VARIABLE, .len = 1 + len};
    case '(':
        return (struct token){.kind = TOKEN_OPEN, .len = 1};
    case ')':
        return (struct token){.kind = TOKEN_CLOSE, .len = 1};
    case '|':
        return (struct token){.kind = TOKEN_PIPE, .len = 1};
    case ',':
        return (struct token){.kind = TOKEN_COMMA, .len = 1};
    case '=':
        return (struct token){.kind = TOKEN_ASSIGN, .len = 1};
    case ':':
        return (struct token){.kind = next == '=' ? TOKEN_DECLARE : TOKEN_WRONG,
                              .len = next == '=' ? 2 : 1};
    default:
        return (struct token){.kind = TOKEN_WRONG, .len = 1};
    }
}

struct token scanner_next(struct scanner *scanner)
{
    struct token token = {.glued = true};

    while (scanner->at < scanner->end && strchr(" \t\r\n", *scanner->at)) {
        token.glued = false;
        scanner->line += *scanner->at++ == '\n';
    }
    if (scanner->at >= scanner->end)
        return (struct token){.kind = TOKEN_END, .line = scanner->line, .text = scanner->end};
    {
        struct token found = scan(scanner);

        found.glued = token.glued;
        found.line = scanner->line;
        found.text = scanner->at;
        for (size_t i = 0; i < found.len; i++)
            scanner->line += found.text[i] == '\n';
        scanner->at += found.len;
        return found;
    }
}

/* ---- Values ------------------------------------------------------------------------------- */

/* The character behind a backslash; '\0' when it is none of Go's simple ones. */
static char escaped(char c)
{
    static const char from[] = "ntr\"\\'ab", to[] = "\n\t\r\"\\'\a\b";
    const char *at = c ? strchr(from, c) : NULL;

    return at ? to[at - from] : '\0';
}

static json_t *string_value(const char *text, size_t len)
{
    _cleanup_free_
    char *value = malloc(len + 1);
    size_t n = 0;

    if (!value)
        return NULL;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (c == '\\' && ++i < len) {
            c = escaped(text[i]);
            if (!c)
                return NULL;
        }
        value[n++] = c;
    }
    return json_stringn(value, n); /* NULL when it is no UTF-8 */
}

json_t *token_value(const struct token *token)
{
    _cleanup_free_
    char *text = NULL;
    char *end;
    long long integer;

    if (token->kind == TOKEN_STRING)
        return *token->text == '`' ? json_stringn(token->text + 1, token->len - 2)
                                   : string_value(token->text + 1, token->len - 2);
    text = strndup(token->text, token->len);
    if (!text)
        return NULL;
    errno = 0;
    integer = strtoll(text, &end, 0);
    if (*end == '\0' && errno == 0)
        return json_integer(integer);
    errno = 0;
    {
        double real = strtod(text, &end);

        return *end == '\0' && errno == 0 ? json_real(real) : NULL;
    }
}
