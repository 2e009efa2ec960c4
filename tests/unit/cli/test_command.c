/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "cli/cli.h"
#include "cli/command.h"

#define WORDS_MAX 16

/* Cut a command line at its blanks, in place. @return argc */
static int words(char *line, char *argv[WORDS_MAX])
{
    char *word;
    int argc = 0;

    while ((word = strsep(&line, " "))) {
        assert_true(argc < WORDS_MAX - 1);
        argv[argc++] = word;
    }
    argv[argc] = NULL;
    return argc;
}

/* Run a command line (words separated by one blank); both outputs belong to the caller. */
static int run(const char *line, char **ret_out, char **ret_err)
{
    _cleanup_free_
    char *copy = strdup(line);
    char *argv[WORDS_MAX];
    size_t out_len, err_len;
    FILE *out = open_memstream(ret_out, &out_len), *err = open_memstream(ret_err, &err_len);
    int r;

    assert_non_null(out);
    assert_non_null(err);
    r = cli_main(words(copy, argv), argv, out, err);
    fclose(out);
    fclose(err);
    return r;
}

static const struct {
    const char *line, *error;
} wrong_usage[] = {
    {"bulkhead", "a command is missing"},
    {"bulkhead policy", "a command is missing"},
    {"bulkhead polcy", "unknown command 'polcy'; did you mean 'policy'?\n"},
    {"bulkhead policy chek x", "unknown command 'chek'; did you mean 'check'?\n"},
    {"bulkhead zzzzzzzz", "unknown command 'zzzzzzzz'\n"},
    {"bulkhead manual", "unknown command 'manual'"},
    {"bulkhead \x1b[2J", "unknown command '\\x1b[2J'"},
    {"bulkhead --hlep", "unknown option '--hlep'; did you mean '--help'?\n"},
    {"bulkhead --hlep=x", "unknown option '--hlep'; did you mean '--help'?\n"},
    {"bulkhead -x", "unknown option '-x'\n"},
    {"bulkhead policy eval --form x", "unknown option '--form'; did you mean '--from'?\n"},
    {"bulkhead enforcer flows --folow", "did you mean '--follow'?\n"},
    {"bulkhead --follow enforcer flows", "unknown option '--follow'"},
    {"bulkhead --nmespace / api list", "did you mean '--namespace'?"},
    {"bulkhead policy check --nmespace / x", "did you mean '--namespace'?"},
    {"bulkhead policy check --aip x y", "unknown option '--aip'\n"},
    {"bulkhead --api x policy check y", "--api: this command asks no Console"},
    {"bulkhead policy check y -t x", "--token: this command asks no Console"},
    {"bulkhead enforcer -n /x status", "--namespace: this command asks no Console"},
    {"bulkhead -n /x api", "a command is missing"},
    {"bulkhead -n /a api -n /b list ns", "--namespace: given more than once"},
    {"bulkhead -o json policy -o yaml check x", "--output: given more than once"},
    {"bulkhead -n shop policy check x",
     "--namespace: found 'shop', expected a namespace that starts with '/'"},
    {"bulkhead policy check --socket x y", "unknown option '--socket'"},
    {"bulkhead --help=yes", "--help: takes no value"},
    {"bulkhead enforcer status -o", "-o: expected FORMAT after it"},
    {"bulkhead enforcer status --output", "--output: expected FORMAT after it"},
    {"bulkhead -o xml enforcer status",
     "--output: found 'xml', expected table, json, yaml, none or template\n"},
    {"bulkhead -o template enforcer status", "-o template: expected --template TEXT as well"},
    {"bulkhead policy check -o template x", "-o template: expected --template TEXT as well"},
    {"bulkhead -oxml enforcer status", "--output: found 'xml'"},
    {"bulkhead -o= enforcer status", "--output: found '', expected"},
    {"bulkhead -o json -o yaml enforcer pus", "--output: given more than once"},
    {"bulkhead enforcer status now", "unexpected argument 'now'"},
    {"bulkhead enforcer netstat web db", "unexpected argument 'db'"},
    {"bulkhead enforcer status -- --help", "unexpected argument '--help'"},
    {"bulkhead policy check", "PATH is missing"},
    {"bulkhead completion", "SHELL is missing"},
    {"bulkhead completion tcsh", "SHELL: found 'tcsh', expected bash, zsh or fish"},
    {"bulkhead help nothing", "unknown command 'nothing'"},
    {"bulkhead help completion bash", "unknown command 'bash'"},
    {"bulkhead policy check --namespace shop x",
     "--namespace: found 'shop', expected a namespace that starts with '/'"},
    {"bulkhead policy eval -f x --to 1.2.3.4 --port tcp/1", "--from is missing"},
    {"bulkhead policy eval -f x --from 1.2.3.4 --port tcp/1", "--to is missing"},
    {"bulkhead policy eval -f x --from 1.2.3.4 --to tags:a=b", "--port is missing"},
    {"bulkhead policy eval --from 1.2.3.4 --to tags:a=b --port tcp/1", "--file is missing"},
    {"bulkhead policy eval -f x --from nobody --to tags:a=b --port tcp/1",
     "--from: found 'nobody', expected ns:"},
    {"bulkhead policy eval -f x --from tags:a=b --to ns:/x --port tcp/1",
     "--to: found 'ns:/x', expected tags: with it"},
    {"bulkhead policy eval -f x --from 1.2.3.4 --to tags:a=b --port tcp/65536",
     "--port: found 'tcp/65536', expected "},
    {"bulkhead policy eval -f x --from 1.2.3.4 --to 1.2.3.5 --port tcp/1",
     "nothing enforces between them"},
    {"bulkhead policy eval -f x --cases y --port tcp/1", "--port: not together with --cases"},
};

static void refuses_wrong_usage(void **state)
{

    for (size_t i = 0; i < ARRAY_SIZE(wrong_usage); i++) {
        _cleanup_free_
        char *out = NULL, *err = NULL;
        int r = run(wrong_usage[i].line, &out, &err);

        if (r != CLI_USAGE || !strstr(err, wrong_usage[i].error) || *out)
            fail_msg("'%s': exit %d, '%s', output '%s'", wrong_usage[i].line, r, err, out);
        assert_non_null(strstr(err, " --help'.\n"));
    }
}

static void refuses_too_many_options(void **state)
{
    char **argv = calloc(CLI_OPTIONS_MAX + 3, sizeof(*argv));
    _cleanup_free_
    char *text = NULL;
    size_t len;
    FILE *err = open_memstream(&text, &len);

    assert_non_null(argv);
    argv[0] = (char *)"bulkhead";
    for (int i = 1; i <= CLI_OPTIONS_MAX + 1; i++)
        argv[i] = (char *)"-h";
    assert_int_equal(cli_main(CLI_OPTIONS_MAX + 2, argv, stdout, err), CLI_USAGE);
    fclose(err);
    assert_non_null(strstr(text, "more than 4096 options"));
    free(argv);
}

static void takes_options_anywhere(void **state)
{
    static const char *const lines[] = {
        "bulkhead enforcer netstat web -o json --socket /s --no-headers",
        "bulkhead -o json enforcer --socket=/s netstat --no-headers web",
        "bulkhead -ojson --no-headers enforcer netstat --socket /s -- web",
        "bulkhead enforcer netstat --output=json --no-headers --socket /s web",
    };

    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        _cleanup_cli_call_ struct cli_call call = {.output = {.out = stdout}, .err = stderr};
        _cleanup_free_
        char *copy = strdup(lines[i]);
        char *argv[WORDS_MAX];

        assert_int_equal(cli_parse(&cli_root, words(copy, argv), argv, &call), CLI_DONE);
        assert_string_equal(cli_call_command(&call)->name, "netstat");
        assert_string_equal(cli_value(&call, "output"), "json");
        assert_string_equal(cli_value(&call, "socket"), "/s");
        assert_true(cli_flag(&call, "no-headers"));
        assert_false(cli_flag(&call, "help"));
        assert_int_equal(call.n_arguments, 1);
        assert_string_equal(call.arguments[0], "web");
    }
}

/* What stands before the words of the command is what the command says it is. */
static void takes_global_options_at_every_level(void **state)
{
    static const char *const lines[] = {
        "bulkhead -n /shop -o none --api=https://c -v api list ns",
        "bulkhead api -n /shop -o none --api https://c list -v ns",
        "bulkhead api list ns --namespace=/shop -vonone -A https://c",
        "bulkhead -v api --output none -n /shop list -Ahttps://c ns",
    };

    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        _cleanup_cli_call_ struct cli_call call = {.output = {.out = stdout}, .err = stderr};
        _cleanup_free_
        char *copy = strdup(lines[i]);
        char *argv[WORDS_MAX];

        assert_int_equal(cli_parse(&cli_root, words(copy, argv), argv, &call), CLI_DONE);
        assert_string_equal(cli_call_command(&call)->name, "list");
        assert_string_equal(cli_value(&call, "namespace"), "/shop");
        assert_string_equal(cli_value(&call, "output"), "none");
        assert_string_equal(cli_value(&call, "api"), "https://c");
        assert_true(cli_flag(&call, "verbose"));
        assert_int_equal(call.n_arguments, 1);
    }
}

static void repeats_what_may_repeat(void **state)
{
    const char *words[] = {"bulkhead", "policy", "eval", "-f", "a", "-fb", "--file", "c", "d"};
    _cleanup_cli_call_ struct cli_call call = {.output = {.out = stdout}, .err = stderr};

    assert_int_equal(cli_parse(&cli_root, ARRAY_SIZE(words), (char **)words, &call), CLI_DONE);
    assert_int_equal(call.n_given, 3);
    assert_string_equal(call.given[0].value, "a");
    assert_string_equal(call.given[1].value, "b");
    assert_string_equal(call.given[2].value, "c");
    assert_string_equal(call.arguments[0], "d");
    assert_null(cli_value(&call, "cases"));
}

static void says_its_version(void **state)
{
    _cleanup_free_
    char *out = NULL, *err = NULL;

    assert_int_equal(run("bulkhead --version", &out, &err), CLI_DONE);
    assert_string_equal(out, "bulkhead " BULKHEAD_VERSION "\n");
    assert_string_equal(err, "");
}

/* --help and `help` say the same, on standard output, for every command. */
static void helps(const struct cli_command *const *path, size_t depth, void *arg)
{
    char line[256], other[256];
    _cleanup_free_
    char *out = NULL, *err = NULL, *out2 = NULL, *err2 = NULL;
    size_t len = 0, *n_commands = arg;

    line[0] = '\0';
    for (size_t i = 1; i < depth; i++)
        len += (size_t)snprintf(line + len, sizeof(line) - len, " %s", path[i]->name);
    snprintf(other, sizeof(other), "bulkhead help%.*s", (int)len, line);
    memmove(line + strlen("bulkhead"), line, len + 1);
    memcpy(line, "bulkhead", strlen("bulkhead"));
    snprintf(line + strlen(line), sizeof(line) - strlen(line), " --help");

    assert_int_equal(run(line, &out, &err), CLI_DONE);
    assert_int_equal(run(other, &out2, &err2), CLI_DONE);
    assert_string_equal(out, out2);
    assert_string_equal(err, "");
    assert_non_null(strstr(out, path[depth - 1]->help));
    assert_non_null(strstr(out, "--output FORMAT"));
    assert_ptr_equal(strstr(out, "Usage: bulkhead"), out);
    (*n_commands)++;
}

static void helps_with_every_command(void **state)
{
    size_t n_commands = 0;

    cli_visit(&cli_root, helps, &n_commands);
    assert_true(n_commands >= 14);
}

/* A name means the same at every level: it may say more, not something else. */
static void agree(const struct cli_option *a, const struct cli_option *b)
{
    if (strcmp(a->name, b->name) == 0) {
        assert_int_equal(a->letter, b->letter);
        assert_int_equal(!a->value, !b->value);
        assert_int_equal(a->pair, b->pair);
    } else {
        assert_true(!a->letter || a->letter != b->letter);
    }
}

/* The table itself: what would make a command unreachable or its help wrong. */
static void checks_one(const struct cli_command *const *path, size_t depth, void *arg)
{
    const struct cli_command *command = path[depth - 1];

    assert_non_null(command->help);
    assert_true((command->run != NULL) != (command->n_children > 0));
    assert_true(!command->argument || command->run);
    for (size_t d = 0; d < depth; d++) {
        for (size_t i = 0; i < path[d]->n_options; i++) {
            const struct cli_option *a = &path[d]->options[i];

            for (size_t j = 0; j < command->n_options; j++) {
                const struct cli_option *b = &command->options[j];

                assert_true(a == b || d + 1 < depth || strcmp(a->name, b->name) != 0);
                agree(a, b);
            }
        }
    }
}

static void table_is_sound(void **state)
{
    cli_visit(&cli_root, checks_one, NULL);
}

static void socket_missing(void **state)
{
    _cleanup_free_
    char *out = NULL, *err = NULL, *out2 = NULL, *err2 = NULL;
    char line[256];

    assert_int_equal(run("bulkhead enforcer status --socket /nonexistent/s", &out, &err),
                     CLI_FAILED);
    assert_non_null(strstr(err, "/nonexistent/s: No such file or directory. "
                                "Is bulkhead-enforcer running?"));
    assert_string_equal(out, "");
    snprintf(line, sizeof(line), "bulkhead enforcer status --socket /%0120d", 0);
    assert_int_equal(run(line, &out2, &err2), CLI_FAILED);
    assert_non_null(strstr(err2, "1 to 107 bytes, this one 121"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_wrong_usage),
        cmocka_unit_test(refuses_too_many_options),
        cmocka_unit_test(takes_options_anywhere),
        cmocka_unit_test(repeats_what_may_repeat),
        cmocka_unit_test(says_its_version),
        cmocka_unit_test(helps_with_every_command),
        cmocka_unit_test(table_is_sound),
        cmocka_unit_test(socket_missing),
        cmocka_unit_test(takes_global_options_at_every_level),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
