/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Tokens, tree and values of templates. Private to template. */

#include <stdbool.h>

#include "cli/template/template.h"

#define TEMPLATE_WORD_MAX 64

/* ---- Tokens of one action ----------------------------------------------------------------- */

enum token_kind {
    TOKEN_END, /* of the action */
    TOKEN_WORD,
    TOKEN_FIELD,    /* .name */
    TOKEN_DOT,      /* . */
    TOKEN_VARIABLE, /* $ or $name */
    TOKEN_STRING,
    TOKEN_NUMBER,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_PIPE,
    TOKEN_DECLARE, /* := */
    TOKEN_ASSIGN,  /* = */
    TOKEN_COMMA,
    TOKEN_WRONG,
};

struct token {
    enum token_kind kind;
    bool glued; /* nothing between it and the token before */
    unsigned line;
    const char *text; /* in the source */
    size_t len;
};

struct scanner {
    const char *at, *end;
    unsigned line;
};
/* The next token of an action; `end` of the scanner is where the action ends. */
struct token scanner_next(struct scanner *scanner);
/* The value of a TOKEN_STRING or TOKEN_NUMBER; NULL when it is none. */
json_t *token_value(const struct token *token);

/* ---- Tree --------------------------------------------------------------------------------- */

enum expression_kind {
    EXPRESSION_LITERAL,
    EXPRESSION_DOT,
    EXPRESSION_ROOT,
    EXPRESSION_VARIABLE,
    EXPRESSION_FIELD,
    EXPRESSION_CALL
};

struct expression {
    struct expression *next_made; /* all of a template, to free them */
    enum expression_kind kind;
    unsigned line;
    json_t *literal;
    char *name; /* of the variable or field */
    const struct template_function *function;
    struct expression *base; /* of a field */
    struct expression *arguments[TEMPLATE_ARGUMENTS_MAX];
    size_t n_arguments;
};

enum step_kind { STEP_TEXT, STEP_PRINT, STEP_SET, STEP_IF, STEP_RANGE, STEP_WITH };

struct step {
    struct step *next_made, *next;
    enum step_kind kind;
    unsigned line;
    char *text; /* STEP_TEXT */
    size_t len;
    struct expression *expression;
    char *variable, *index; /* STEP_SET; of range: value and key */
    bool declares;
    struct step *body, *otherwise;
};

struct template
{
    char *file;
    struct step *steps;
    struct step *made_steps;
    struct expression *made_expressions;
};

/* ---- Values ------------------------------------------------------------------------------- */

struct run {
    const struct template *template;
    const json_t *root;
    struct buf *problem;
    struct template_output *output;
    struct {
        const char *name;
        json_t *value;
    } variables[TEMPLATE_VARIABLES_MAX];
    size_t n_variables;
    size_t steps;
    unsigned line; /* of what is evaluated */
    int error;     /* sticky */
};
/* Sets the sticky error and says where; returns NULL. */
json_t *run_fail(struct run *run, const char *format, ...) _printf_(2, 3);
/* Count the work; false when it is too much. */
bool run_charge(struct run *run, size_t bytes);
bool value_is_true(const json_t *value);
/* Text of a scalar; owned by the caller; NULL with the error set. */
char *value_text(struct run *run, const json_t *value);
/* A string of `buf`, which is used up; NULL with the error set. */
json_t *value_string(struct run *run, struct buf *buf);

struct template_function {
    const char *name;
    size_t min, max;                                                      /* arguments */
    json_t *(*call)(struct run *run, json_t *const *arguments, size_t n); /* new reference */
};
const struct template_function *template_function_find(const char *name, size_t len);
extern const struct template_function template_functions_text[], template_functions_data[];
