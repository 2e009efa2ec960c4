/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/template/internal.h"

struct parser {
    struct template *template;
    struct buf *problem;
    const char *at, *end; /* of the whole text */
    unsigned line;
    struct scanner scanner; /* of the action at hand */
    struct token token;     /* the next one in it */
    bool trim_next;         /* the action before ended with "-}}" */
    unsigned depth;
};

enum ending { ENDING_EOF, ENDING_END, ENDING_ELSE, ENDING_ELSE_IF };

static int fail(struct parser *parser, unsigned line, const char *format, ...) _printf_(3, 4);

static int fail(struct parser *parser, unsigned line, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    text_vformat(text, sizeof(text), format, args);
    va_end(args);
    buf_printf(parser->problem, "%s:%u: %s", parser->template->file, line, text);
    return -BULKHEAD_EINVALID_INPUT;
}

static int unexpected(struct parser *parser, const char *expected)
{
    _cleanup_buf_ struct buf found = BUF_INIT(1024);

    if (parser->token.kind == TOKEN_END)
        return fail(parser, parser->token.line, "found the end of the action, expected %s",
                    expected);
    text_quote(&found, parser->token.text, parser->token.len);
    return fail(parser, parser->token.line, "found %s, expected %s", found.data ? found.data : "",
                expected);
}

static void advance(struct parser *parser)
{
    parser->token = scanner_next(&parser->scanner);
}

static bool token_is(const struct token *token, const char *word)
{
    return token->kind == TOKEN_WORD && token->len == strlen(word) &&
           strncmp(token->text, word, token->len) == 0;
}

/* ---- Expressions -------------------------------------------------------------------------- */

static struct expression *make(struct parser *parser, enum expression_kind kind)
{
    struct expression *expression = calloc(1, sizeof(*expression));

    if (!expression)
        return NULL;
    expression->kind = kind;
    expression->line = parser->token.line;
    expression->next_made = parser->template->made_expressions;
    parser->template->made_expressions = expression;
    return expression;
}

static int parse_pipeline(struct parser *parser, struct expression **ret);

static int parse_literal(struct parser *parser, json_t *value, struct expression **ret)
{
    struct expression *expression = value ? make(parser, EXPRESSION_LITERAL) : NULL;

    if (!value)
        return unexpected(parser, "a number or a string of UTF-8 with \\n, \\t, \\\" or \\\\");
    if (!expression) {
        json_decref(value);
        return -ENOMEM;
    }
    expression->literal = value;
    *ret = expression;
    return 0;
}

/* `name` is one of the functions. With `bare`, without arguments of its own. */
static int parse_function(struct parser *parser, struct expression **ret)
{
    const struct template_function *function =
        template_function_find(parser->token.text, parser->token.len);
    _cleanup_buf_ struct buf found = BUF_INIT(1024);
    struct expression *expression;

    if (!function) {
        text_quote(&found, parser->token.text, parser->token.len);
        return fail(parser, parser->token.line,
                    "found %s, expected a function of docs/formats/templates.md",
                    found.data ? found.data : "");
    }
    expression = make(parser, EXPRESSION_CALL);
    if (!expression)
        return -ENOMEM;
    expression->function = function;
    *ret = expression;
    return 0;
}

static int parse_word(struct parser *parser, struct expression **ret)
{
    if (token_is(&parser->token, "true") || token_is(&parser->token, "false"))
        return parse_literal(parser, json_boolean(token_is(&parser->token, "true")), ret);
    if (token_is(&parser->token, "nil"))
        return parse_literal(parser, json_null(), ret);
    return parse_function(parser, ret);
}

static int parse_name(struct parser *parser, enum expression_kind kind, struct expression **ret)
{
    *ret = make(parser, kind);
    if (!*ret)
        return -ENOMEM;
    (*ret)->name = strndup(parser->token.text + 1, parser->token.len - 1);
    return (*ret)->name ? 0 : -ENOMEM;
}

static int parse_paren(struct parser *parser, struct expression **ret)
{
    int r;

    if (++parser->depth > TEMPLATE_DEPTH_MAX)
        return fail(parser, parser->token.line, "nested deeper than %d", TEMPLATE_DEPTH_MAX);
    advance(parser);
    r = parse_pipeline(parser, ret);
    parser->depth--;
    if (r == 0 && parser->token.kind != TOKEN_CLOSE)
        return unexpected(parser, "')'");
    return r;
}

static int parse_first(struct parser *parser, struct expression **ret)
{
    switch (parser->token.kind) {
    case TOKEN_WORD:
        return parse_word(parser, ret);
    case TOKEN_STRING:
    case TOKEN_NUMBER:
        return parse_literal(parser, token_value(&parser->token), ret);
    case TOKEN_DOT:
        *ret = make(parser, EXPRESSION_DOT);
        return *ret ? 0 : -ENOMEM;
    case TOKEN_FIELD:
        return parse_name(parser, EXPRESSION_FIELD, ret);
    case TOKEN_VARIABLE:
        if (parser->token.len > 1)
            return parse_name(parser, EXPRESSION_VARIABLE, ret);
        *ret = make(parser, EXPRESSION_ROOT);
        return *ret ? 0 : -ENOMEM;
    case TOKEN_OPEN:
        return parse_paren(parser, ret);
    default:
        return unexpected(parser, "a value");
    }
}

static int check_arguments(struct parser *parser, const struct expression *expression)
{
    const struct template_function *function = expression->function;

    if (expression->kind != EXPRESSION_CALL ||
        (expression->n_arguments >= function->min && expression->n_arguments <= function->max))
        return 0;
    return fail(parser, expression->line, "%s: found %zu arguments, expected %zu%s", function->name,
                expression->n_arguments, function->min,
                function->max > function->min ? " or more" : "");
}

/* A value, with the fields that follow it without a blank: $x.a.b, (f x).a */
static int parse_operand(struct parser *parser, struct expression **ret)
{
    int r = parse_first(parser, ret);

    for (unsigned depth = 0; r == 0; depth++) {
        struct expression *base = *ret;

        assert(base); /* or r would say why not */
        advance(parser);
        if (parser->token.kind != TOKEN_FIELD || !parser->token.glued)
            return 0;
        if (depth >= TEMPLATE_DEPTH_MAX)
            return fail(parser, parser->token.line, "more than %d fields", TEMPLATE_DEPTH_MAX);
        r = check_arguments(parser, base); /* a bare function has none */
        if (r == 0)
            r = parse_name(parser, EXPRESSION_FIELD, ret);
        if (r == 0)
            (*ret)->base = base;
    }
    return r;
}

static bool ends_command(const struct token *token)
{
    return token->kind == TOKEN_END || token->kind == TOKEN_PIPE || token->kind == TOKEN_CLOSE;
}

static int add_argument(struct parser *parser, struct expression *call, struct expression *argument)
{
    if (call->n_arguments == TEMPLATE_ARGUMENTS_MAX)
        return fail(parser, call->line, "%s: more than %d arguments", call->function->name,
                    TEMPLATE_ARGUMENTS_MAX);
    call->arguments[call->n_arguments++] = argument;
    return 0;
}

/* A value, or a function with its arguments. */
static int parse_command(struct parser *parser, struct expression **ret)
{
    bool is_name = parser->token.kind == TOKEN_WORD;
    struct expression *argument = NULL;
    int r = parse_operand(parser, ret);

    while (r == 0 && is_name && (*ret)->kind == EXPRESSION_CALL && !ends_command(&parser->token)) {
        r = parse_operand(parser, &argument);
        if (r == 0)
            r = check_arguments(parser, argument);
        if (r == 0)
            r = add_argument(parser, *ret, argument);
    }
    if (r == 0 && !ends_command(&parser->token))
        return unexpected(parser, "'|' or the end: only functions take arguments");
    return r;
}

static int parse_pipeline(struct parser *parser, struct expression **ret)
{
    struct expression *left = NULL;
    int r = parse_command(parser, &left);

    while (r == 0 && parser->token.kind == TOKEN_PIPE) {
        struct expression *right = NULL;

        r = check_arguments(parser, left);
        if (r < 0)
            return r;
        advance(parser);
        if (parser->token.kind != TOKEN_WORD)
            return unexpected(parser, "a function behind '|'");
        r = parse_command(parser, &right);
        if (r == 0 && right->kind != EXPRESSION_CALL)
            return fail(parser, right->line, "expected a function behind '|'");
        if (r == 0)
            r = add_argument(parser, right, left);
        left = right;
    }
    if (r == 0)
        r = check_arguments(parser, left);
    if (r == 0)
        *ret = left;
    return r;
}

/* ---- Actions ------------------------------------------------------------------------------ */

static struct step *make_step(struct parser *parser, enum step_kind kind, unsigned line)
{
    struct step *step = calloc(1, sizeof(*step));

    if (!step)
        return NULL;
    step->kind = kind;
    step->line = line;
    step->next_made = parser->template->made_steps;
    parser->template->made_steps = step;
    return step;
}

static char *variable_name(const struct token *token)
{
    return strndup(token->text + 1, token->len - 1);
}

/* "$x :=", "$x =", "$i, $x :=" in front of a pipeline. */
static int parse_declaration(struct parser *parser, struct step *step)
{
    struct scanner before = parser->scanner;
    struct token first = parser->token;

    if (first.kind != TOKEN_VARIABLE || first.len < 2)
        return 0;
    advance(parser);
    if (parser->token.kind == TOKEN_COMMA && step->kind == STEP_RANGE) {
        step->index = variable_name(&first);
        advance(parser);
        first = parser->token;
        if (first.kind != TOKEN_VARIABLE || first.len < 2)
            return unexpected(parser, "a variable behind ','");
        advance(parser);
    }
    if (parser->token.kind != TOKEN_DECLARE && parser->token.kind != TOKEN_ASSIGN) {
        if (step->index)
            return unexpected(parser, "':='");
        parser->scanner = before;
        parser->token = first;
        return 0;
    }
    step->variable = variable_name(&first);
    step->declares = parser->token.kind == TOKEN_DECLARE;
    if (step->kind == STEP_PRINT)
        step->kind = STEP_SET;
    else if (!step->declares)
        return unexpected(parser, "':='");
    advance(parser);
    return step->variable ? 0 : -ENOMEM;
}

static int parse_condition(struct parser *parser, struct step *step)
{
    int r = parse_declaration(parser, step);

    if (r == 0)
        r = parse_pipeline(parser, &step->expression);
    if (r == 0 && parser->token.kind != TOKEN_END)
        return unexpected(parser, "the end of the action");
    return r;
}

static int parse_list(struct parser *parser, struct step **ret_first, enum ending *ret_ending);

static int parse_block(struct parser *parser, enum step_kind kind, struct step **ret)
{
    struct step *step = make_step(parser, kind, parser->token.line);
    enum ending ending = ENDING_EOF;
    int r;

    if (!step)
        return -ENOMEM;
    *ret = step;
    if (++parser->depth > TEMPLATE_DEPTH_MAX)
        return fail(parser, step->line, "nested deeper than %d", TEMPLATE_DEPTH_MAX);
    advance(parser);
    r = parse_condition(parser, step);
    if (r == 0)
        r = parse_list(parser, &step->body, &ending);
    if (r == 0 && ending == ENDING_ELSE_IF) { /* its own end is ours, too */
        r = parse_block(parser, STEP_IF, &step->otherwise);
        ending = ENDING_END;
    } else if (r == 0 && ending == ENDING_ELSE) {
        r = parse_list(parser, &step->otherwise, &ending);
        if (r == 0 && (ending == ENDING_ELSE || ending == ENDING_ELSE_IF))
            return fail(parser, step->line, "this block has two {{else}}");
    }
    if (r == 0 && ending == ENDING_EOF)
        return fail(parser, step->line, "this block has no {{end}}");
    parser->depth--;
    return r;
}

static int parse_plain(struct parser *parser, struct step **ret)
{
    struct step *step = make_step(parser, STEP_PRINT, parser->token.line);
    int r = step ? parse_condition(parser, step) : -ENOMEM;

    *ret = step;
    return r;
}

/* One action whose tokens the scanner has; *ret_step stays NULL for the end of a list. */
static int parse_action(struct parser *parser, struct step **ret_step, enum ending *ret_ending)
{
    advance(parser);
    if (token_is(&parser->token, "if"))
        return parse_block(parser, STEP_IF, ret_step);
    if (token_is(&parser->token, "range"))
        return parse_block(parser, STEP_RANGE, ret_step);
    if (token_is(&parser->token, "with"))
        return parse_block(parser, STEP_WITH, ret_step);
    if (token_is(&parser->token, "end")) {
        *ret_ending = ENDING_END;
        advance(parser);
        return parser->token.kind == TOKEN_END ? 0 : unexpected(parser, "the end of the action");
    }
    if (!token_is(&parser->token, "else"))
        return parse_plain(parser, ret_step);
    advance(parser);
    *ret_ending = token_is(&parser->token, "if") ? ENDING_ELSE_IF : ENDING_ELSE;
    if (*ret_ending == ENDING_ELSE && parser->token.kind != TOKEN_END)
        return unexpected(parser, "the end of the action, or 'if'");
    return 0;
}

/* ---- Text and actions --------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int add_text(struct parser *parser, const char *from, const char *to, bool trim_right,
                    struct step ***tail)
{
    struct step *step;

    while (parser->trim_next && from < to && is_blank(*from))
        parser->line += *from++ == '\n';
    parser->trim_next = false;
    step = make_step(parser, STEP_TEXT, parser->line);
    for (const char *at = from; at < to; at++)
        parser->line += *at == '\n';
    while (trim_right && from < to && is_blank(to[-1]))
        to--;
    if (!step)
        return -ENOMEM;
    if (from == to)
        return 0;
    step->len = (size_t)(to - from);
    step->text = strndup(from, step->len);
    **tail = step;
    *tail = &step->next;
    return step->text ? 0 : -ENOMEM;
}

/* Where "}}" is, outside of strings; NULL when nowhere. */
static const char *action_end(const char *at, const char *end)
{
    char quote = '\0';

    for (; at + 1 < end; at++) {
        if (quote) {
            if (*at == '\\' && quote == '"')
                at++;
            else if (*at == quote || (quote == '"' && *at == '\n'))
                quote = '\0';
        } else if (*at == '"' || *at == '`') {
            quote = *at;
        } else if (at[0] == '}' && at[1] == '}') {
            return at;
        }
    }
    return NULL;
}

static const char *comment_end(const char *at, const char *end)
{
    const char *close = memmem(at, (size_t)(end - at), "*/", 2);

    return close ? action_end(close + 2, end) : NULL;
}

/* The action at `open`: sets the scanner, goes behind it. *ret_comment: it is one. */
static int open_action(struct parser *parser, const char *open, bool *ret_comment)
{
    const char *at = open + 2, *close;

    if (at + 1 < parser->end && at[0] == '-' && is_blank(at[1]))
        at += 2;
    *ret_comment = at + 1 < parser->end && at[0] == '/' && at[1] == '*';
    close = *ret_comment ? comment_end(at, parser->end) : action_end(at, parser->end);
    if (!close)
        return fail(parser, parser->line, "found '{{', expected '}}' after it%s",
                    *ret_comment ? " and '*/' before that" : "");
    parser->at = close + 2;
    if (close - at >= 2 && close[-1] == '-' && is_blank(close[-2])) {
        parser->trim_next = true;
        close -= 2;
    }
    parser->scanner = (struct scanner){.at = at, .end = close, .line = parser->line};
    for (const char *c = open; c < parser->at; c++)
        parser->line += *c == '\n';
    return 0;
}

static int parse_list(struct parser *parser, struct step **ret_first, enum ending *ret_ending)
{
    struct step **tail = ret_first;

    *ret_ending = ENDING_EOF;
    while (parser->at < parser->end) {
        const char *open = memmem(parser->at, (size_t)(parser->end - parser->at), "{{", 2);
        bool trim = open && open + 3 < parser->end && open[2] == '-' && is_blank(open[3]), comment;
        enum ending ending = ENDING_EOF;
        struct step *step = NULL;
        int r = add_text(parser, parser->at, open ? open : parser->end, trim, &tail);

        if (r < 0 || !open) {
            parser->at = parser->end;
            return r;
        }
        r = open_action(parser, open, &comment);
        if (r == 0 && comment)
            continue;
        if (r == 0)
            r = parse_action(parser, &step, &ending);
        if (r < 0)
            return r;
        if (!step) {
            *ret_ending = ending;
            return 0;
        }
        *tail = step;
        tail = &step->next;
    }
    return 0;
}

/* ---- The whole ---------------------------------------------------------------------------- */

int template_parse(const char *file, const char *text, size_t len, struct buf *problem,
                   struct template **ret)
{
    _cleanup_template_ struct template *template = calloc(1, sizeof(*template));
    struct parser parser = {
        .problem = problem, .at = text, .end = text + len, .line = 1, .template = template};
    enum ending ending = ENDING_EOF;
    int r;

    if (!template || !(template->file = strdup(file)))
        return -ENOMEM;
    if (len > TEMPLATE_BYTES_MAX || memchr(text, '\0', len))
        return fail(&parser, 1, "found a NUL byte or more than %zu MiB, expected text",
                    TEMPLATE_BYTES_MAX >> 20);
    r = parse_list(&parser, &template->steps, &ending);
    if (r == 0 && ending != ENDING_EOF)
        r = fail(&parser, parser.scanner.line, "found {{%s}} outside of a block",
                 ending == ENDING_END ? "end" : "else");
    if (r < 0)
        return r;
    *ret = TAKE_PTR(template);
    return 0;
}

void template_free(struct template **template)
{
    struct template *t = *template;

    if (!t)
        return;
    for (struct step *step = t->made_steps, *next; step; step = next) {
        next = step->next_made;
        free(step->text);
        free(step->variable);
        free(step->index);
        free(step);
    }
    for (struct expression *e = t->made_expressions, *next; e; e = next) {
        next = e->next_made;
        json_decref(e->literal);
        free(e->name);
        free(e);
    }
    free(t->file);
    free(t);
    *template = NULL;
}
