/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/template/internal.h"

/* ---- Errors and limits -------------------------------------------------------------------- */

json_t *run_fail(struct run *run, const char *format, ...)
{
    char text[512];
    va_list args;

    if (run->error)
        return NULL;
    va_start(args, format);
    text_vformat(text, sizeof(text), format, args);
    va_end(args);
    buf_printf(run->problem, "%s:%u: %s", run->template->file, run->line, text);
    run->error = -BULKHEAD_EINVALID_INPUT;
    return NULL;
}

bool run_charge(struct run *run, size_t bytes)
{
    run->steps += 1 + bytes / 1024;
    if (run->steps > TEMPLATE_STEPS_MAX)
        run_fail(run, "the template does more than %d steps", TEMPLATE_STEPS_MAX);
    return !run->error;
}

static json_t *no_memory(struct run *run)
{
    if (!run->error)
        run->error = -ENOMEM;
    return NULL;
}

/* ---- Values ------------------------------------------------------------------------------- */

bool value_is_true(const json_t *value)
{
    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_NULL:
    case JSON_FALSE:
        return false;
    case JSON_STRING:
        return json_string_length(value) > 0;
    case JSON_INTEGER:
        return json_integer_value(value) != 0;
    case JSON_REAL:
        return json_real_value(value) != 0;
    case JSON_ARRAY:
        return json_array_size(value) > 0;
    case JSON_OBJECT:
        return json_object_size(value) > 0;
    default:
        return true;
    }
}

char *value_text(struct run *run, const json_t *value)
{
    char *text = NULL;

    switch (json_typeof(value)) {
    case JSON_STRING:
        text = strdup(json_string_value(value));
        break;
    case JSON_NULL:
        run_fail(run, "found no value here; is the name right? (give a `default` if it may be "
                      "missing)");
        return NULL;
    case JSON_ARRAY:
    case JSON_OBJECT:
        run_fail(run, "found %s where text is needed; use toJson, toYaml or join",
                 json_is_array(value) ? "a list" : "a map");
        return NULL;
    default:
        text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
        break;
    }
    if (!text)
        no_memory(run);
    return text;
}

json_t *value_string(struct run *run, struct buf *buf)
{
    json_t *value;

    if (buf->error == -ENOSPC)
        return run_fail(run, "a value is longer than %zu MiB", TEMPLATE_STRING_MAX >> 20);
    if (buf->error || !run_charge(run, buf->len))
        return run->error ? NULL : no_memory(run);
    value = json_stringn(buf->data ? buf->data : "", buf->len);
    buf_free(buf);
    return value ? value : run_fail(run, "the result is no UTF-8 text");
}

/* ---- Expressions -------------------------------------------------------------------------- */

static json_t *evaluate(struct run *run, const struct expression *expression, json_t *dot);

static json_t *variable(struct run *run, const char *name)
{
    for (size_t i = run->n_variables; i-- > 0;)
        if (strcmp(run->variables[i].name, name) == 0)
            return json_incref(run->variables[i].value);
    return run_fail(run, "found variable $%.64s, which is not set here", name);
}

/* What is not there has no value; a field of something else than a map is a mistake. */
static json_t *field(struct run *run, const struct expression *expression, json_t *dot)
{
    json_t *base = expression->base ? evaluate(run, expression->base, dot) : json_incref(dot);
    json_t *value;

    if (!base)
        return NULL;
    if (!json_is_object(base) && !json_is_null(base)) {
        json_decref(base);
        return run_fail(run, "found .%.64s of something that is no map", expression->name);
    }
    value = json_object_get(base, expression->name);
    value = value ? json_incref(value) : json_null();
    json_decref(base);
    return value;
}

static json_t *call(struct run *run, const struct expression *expression, json_t *dot)
{
    json_t *arguments[TEMPLATE_ARGUMENTS_MAX] = {0}, *result = NULL;
    size_t n = 0;

    while (n < expression->n_arguments) {
        arguments[n] = evaluate(run, expression->arguments[n], dot);
        if (!arguments[n])
            break;
        n++;
    }
    run->line = expression->line;
    if (n == expression->n_arguments)
        result = expression->function->call(run, arguments, n);
    while (n > 0)
        json_decref(arguments[--n]);
    return result || run->error ? result : no_memory(run);
}

/* New reference; NULL with the error set. */
static json_t *evaluate(struct run *run, const struct expression *expression, json_t *dot)
{
    run->line = expression->line;
    if (!run_charge(run, 0))
        return NULL;
    switch (expression->kind) {
    case EXPRESSION_LITERAL:
        return json_incref(expression->literal);
    case EXPRESSION_DOT:
        return json_incref(dot);
    case EXPRESSION_ROOT:
        return json_incref((json_t *)run->root);
    case EXPRESSION_VARIABLE:
        return variable(run, expression->name);
    case EXPRESSION_FIELD:
        return field(run, expression, dot);
    case EXPRESSION_CALL:
        return call(run, expression, dot);
    }
    return NULL;
}

/* ---- Output ------------------------------------------------------------------------------- */

static void note_line(struct run *run, unsigned line)
{
    struct template_output *output = run->output;

    if (output->n_lines == output->room) {
        size_t room = output->room ? output->room * 2 : 256;
        unsigned *lines = realloc(output->lines, room * sizeof(*lines));

        if (!lines) {
            no_memory(run);
            return;
        }
        output->lines = lines;
        output->room = room;
    }
    output->lines[output->n_lines++] = line;
}

/* `own_lines`: line ends of the text are line ends of the template. */
static void emit(struct run *run, const char *text, size_t len, unsigned line, bool own_lines)
{
    if (!run_charge(run, len))
        return;
    if (run->output->n_lines == 0)
        note_line(run, line);
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '\n')
            continue;
        line += own_lines;
        note_line(run, line);
    }
    buf_append(&run->output->text, text, len);
    if (run->output->text.error == -ENOSPC)
        run_fail(run, "the result is longer than %zu MiB", TEMPLATE_BYTES_MAX >> 20);
    else if (run->output->text.error)
        no_memory(run);
}

/* ---- Steps -------------------------------------------------------------------------------- */

static void run_steps(struct run *run, const struct step *step, json_t *dot);

/* The value is taken over. */
static void declare(struct run *run, const char *name, json_t *value)
{
    if (run->n_variables == TEMPLATE_VARIABLES_MAX) {
        json_decref(value);
        run_fail(run, "more than %d variables", TEMPLATE_VARIABLES_MAX);
        return;
    }
    run->variables[run->n_variables].name = name;
    run->variables[run->n_variables++].value = value;
}

static void forget(struct run *run, size_t n)
{
    while (run->n_variables > n)
        json_decref(run->variables[--run->n_variables].value);
}

static void assign(struct run *run, const struct step *step, json_t *value)
{
    if (step->declares) {
        declare(run, step->variable, value);
        return;
    }
    for (size_t i = run->n_variables; i-- > 0;) {
        if (strcmp(run->variables[i].name, step->variable) == 0) {
            json_decref(run->variables[i].value);
            run->variables[i].value = value;
            return;
        }
    }
    json_decref(value);
    run_fail(run, "found $%.64s =, expected := (it is not set yet)", step->variable);
}

static void print(struct run *run, const struct step *step, json_t *value)
{
    _cleanup_free_
    char *text = value_text(run, value);

    if (text)
        emit(run, text, strlen(text), step->line, false);
    json_decref(value);
}

static void run_round(struct run *run, const struct step *step, json_t *key, json_t *value)
{
    size_t n = run->n_variables;

    if (step->index && key)
        declare(run, step->index, json_incref(key));
    if (step->variable)
        declare(run, step->variable, json_incref(value));
    run_steps(run, step->body, value);
    forget(run, n);
    json_decref(key);
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In the order of the keys, as Go does it. */
static void run_map(struct run *run, const struct step *step, json_t *map)
{
    size_t n = json_object_size(map), i = 0;
    _cleanup_free_
    const char **keys = calloc(n, sizeof(*keys));
    const char *key;
    json_t *value;

    if (!keys) {
        no_memory(run);
        return;
    }
    json_object_foreach(map, key, value) keys[i++] = key;
    qsort(keys, n, sizeof(*keys), compare_keys);
    for (i = 0; i < n && !run->error; i++)
        run_round(run, step, json_string(keys[i]), json_object_get(map, keys[i]));
}

static void run_range(struct run *run, const struct step *step, json_t *over, json_t *dot)
{
    if (!value_is_true(over))
        run_steps(run, step->otherwise, dot);
    else if (json_is_object(over))
        run_map(run, step, over);
    else if (!json_is_array(over))
        run_fail(run, "range: found something else, expected a list or a map");
    for (size_t i = 0; i < json_array_size(over) && !run->error; i++)
        run_round(run, step, json_integer((json_int_t)i), json_array_get(over, i));
}

static void run_block(struct run *run, const struct step *step, json_t *value, json_t *dot)
{
    size_t n = run->n_variables;

    if (step->kind == STEP_RANGE) {
        run_range(run, step, value, dot);
    } else {
        bool yes = value_is_true(value);

        if (step->variable)
            declare(run, step->variable, json_incref(value));
        run_steps(run, yes ? step->body : step->otherwise,
                  yes && step->kind == STEP_WITH ? value : dot);
    }
    forget(run, n);
    json_decref(value);
}

static void run_steps(struct run *run, const struct step *step, json_t *dot)
{
    size_t n = run->n_variables;

    for (; step && !run->error; step = step->next) {
        json_t *value;

        if (step->kind == STEP_TEXT) {
            emit(run, step->text, step->len, step->line, true);
            continue;
        }
        value = evaluate(run, step->expression, dot);
        if (!value)
            break;
        if (step->kind == STEP_SET)
            assign(run, step, value);
        else if (step->kind == STEP_PRINT)
            print(run, step, value);
        else
            run_block(run, step, value, dot);
    }
    forget(run, n);
}

int template_run(const struct template *template, const json_t *root, struct buf *problem,
                 struct template_output *ret)
{
    struct run run = {.template = template, .root = root, .problem = problem, .output = ret};

    run_steps(&run, template->steps, (json_t *)root);
    return run.error;
}

void template_output_clear(struct template_output *output)
{
    buf_free(&output->text);
    free(output->lines);
    *output = TEMPLATE_OUTPUT_INIT;
}

unsigned template_output_line(const struct template_output *output, unsigned line)
{
    if (line == 0 || output->n_lines == 0)
        return line;
    return output->lines[MIN((size_t)line, output->n_lines) - 1];
}

/* ---- Functions ---------------------------------------------------------------------------- */

static const struct template_function *const tables[] = {template_functions_text,
                                                         template_functions_data};

const struct template_function *template_function_find(const char *name, size_t len)
{
    for (size_t t = 0; t < ARRAY_SIZE(tables); t++)
        for (const struct template_function *f = tables[t]; f->name; f++)
            if (strlen(f->name) == len && strncmp(f->name, name, len) == 0)
                return f;
    return NULL;
}

const char *template_function_name(size_t i)
{
    for (size_t t = 0; t < ARRAY_SIZE(tables); t++)
        for (const struct template_function *f = tables[t]; f->name; f++)
            if (i-- == 0)
                return f->name;
    return NULL;
}
