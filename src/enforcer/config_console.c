/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/config_reader.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* NULL, or what was expected. Names and addresses are libcurl's to judge. */
static const char *url_problem(const char *text, const char *const *schemes)
{
    const char *at = NULL;

    for (; *schemes && !at; schemes++)
        if (strncasecmp(text, *schemes, strlen(*schemes)) == 0)
            at = text + strlen(*schemes);
    if (!at || !*at || *at == '/' || *at == ':' || strlen(text) > CONFIG_URL_MAX)
        return "a URL";
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c <= 0x20 || *c == 0x7f)
            return "a URL";
    return NULL;
}

static void add_console(struct reader *reader, const struct node *node, const char *path)
{
    static const char *const schemes[] = {"https://", "wss://", NULL};
    struct config *config = reader->config;

    if (url_problem(node->text, schemes)) {
        config_problem(reader, node, path, "a URL such as https://console.example:443");
        return;
    }
    config_read_text(reader, node->text, &config->consoles[config->n_consoles]);
    if (config->consoles[config->n_consoles])
        config->n_consoles++;
}

void config_read_console(struct reader *reader, const struct node *node, const char *path)
{
    struct config *config = reader->config;

    if (node->kind == NODE_LIST &&
        (node->n_children == 0 || node->n_children > CONFIG_CONSOLES_MAX)) {
        config_problem(reader, node, path, "1 to %d URLs", CONFIG_CONSOLES_MAX);
        return;
    }
    config->consoles = calloc(CONFIG_CONSOLES_MAX + 1, sizeof(char *));
    if (!config->consoles)
        reader->error = -ENOMEM;
    else if (node->kind == NODE_LIST)
        config_read_list(reader, node, path, 1u << NODE_STRING, add_console);
    else
        add_console(reader, node, path);
}

void config_read_credentials(struct reader *reader, const struct node *node, const char *path)
{
    config_read_path(reader, node, path, &reader->config->credentials);
}

void config_read_token(struct reader *reader, const struct node *node, const char *path)
{
    if (node->text_len == 0 || node->text_len > CONFIG_TOKEN_MAX || strpbrk(node->text, " \t\n"))
        config_problem(reader, NULL, path, "a token");
    else
        config_read_text(reader, node->text, &reader->config->token);
}

void config_read_ca(struct reader *reader, const struct node *node, const char *path)
{
    if (strcmp(node->text, "system") == 0)
        reader->config->ca_system = true;
    else
        config_read_path(reader, node, path, &reader->config->ca);
}

void config_read_proxy(struct reader *reader, const struct node *node, const char *path)
{
    static const char *const schemes[] = {"http://", "https://", NULL};

    if (node->kind == NODE_NULL || node->text_len == 0)
        config_read_text(reader, "", &reader->config->proxy); /* none, whatever the environment */
    else if (url_problem(node->text, schemes)) /* there may be a password in it: not shown */
        config_problem(reader, NULL, path, "a URL such as http://user:password@proxy.example:3128");
    else
        config_read_text(reader, node->text, &reader->config->proxy);
}

void config_read_cloud(struct reader *reader, const struct node *node, const char *path)
{
    static const char *const words[] = {"off", "auto"};
    int i = config_read_word(reader, node, path, words, ARRAY_SIZE(words));

    if (i >= 0)
        reader->config->cloud = i == 1;
}

static void only_in(struct reader *reader, const struct node *root, const char *const *keys,
                    const char *mode)
{
    for (; *keys; keys++) {
        const struct node *node = node_get(root, *keys);

        if (node && node->kind != NODE_NULL)
            config_problem(reader, strcmp(*keys, "token") == 0 ? NULL : node, *keys,
                           "nothing here: it counts only with mode: %s", mode);
    }
}

void config_check_mode(struct reader *reader, const struct node *root)
{
    static const char *const console_only[] = {"console", "credentials", "token", "ca",
                                               "proxy",   "cloud",       NULL};
    static const char *const standalone_only[] = {"policy", "identity", "peers", NULL};

    if (reader->config->mode == MODE_STANDALONE) {
        only_in(reader, root, console_only, "console");
        if (!node_get(root, "policy"))
            diagnostics_add(reader->diagnostics, DIAGNOSTIC_ERROR, reader->config->file, root->line,
                            root->column, "", "found no 'policy', expected this key");
        return;
    }
    only_in(reader, root, standalone_only, "standalone");
    if (node_get(root, "credentials") && node_get(root, "token"))
        config_problem(reader, NULL, "token", "either credentials or token");
}

void config_console_free(struct config *config)
{
    for (size_t i = 0; i < config->n_consoles; i++)
        free(config->consoles[i]);
    free(config->consoles);
    free(config->credentials);
    if (config->token)
        explicit_bzero(config->token, strlen(config->token));
    free(config->token);
    free(config->ca);
    free(config->proxy);
}
