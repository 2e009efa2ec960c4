/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the commands of `bulkhead api` and their relatives share. All say what is wrong, and return
 * enum cli_exit, unless it says otherwise. */

#include <jansson.h>

#include "cli/client/session.h"
#include "cli/template/template.h"
#include "model/model.h"
#include "schema/schema.h"

#define API_PAGE 1000 /* objects asked for at once */
#define API_COLUMNS_MAX 64
#define API_SOURCES_MAX 10000 /* files of one import */
#define API_OBJECTS_MAX 1000000

/* ---- Kinds and objects (kind.c) ----------------------------------------------------------- */

/* By name, plural or alias; `verb` 0: any. */
int api_kind(struct cli_call *call, const char *word, unsigned verb,
             const struct schema_kind **ret);
bool api_is_id(const char *word);
/* "/networkrulesetpolicies[/ID]"; NULL on ENOMEM. */
char *api_path(const struct schema_kind *kind, const char *id);
/* name == "…", escaped; NULL on ENOMEM. */
char *api_name_filter(const char *name);
/*
 * The one object of this ID or name, complete. Of a namespace the name may be a path.
 * @param ret_namespace  where it is, for X-Namespace; belongs to *ret
 */
int api_find(struct session *session, const struct schema_kind *kind, const char *word,
             json_t **ret);
const char *api_object_id(const json_t *object);
/* Where to ask for it. */
const char *api_object_namespace(const struct session *session, const json_t *object);

/* Parameters that commands have as flags: -r, --propagated, --filter, --order, -p. */
int api_add_parameters(struct cli_call *call, struct client_request *request,
                       const struct schema_kind *kind, unsigned verb);

/* Every object of a list, page by page. `visit` returns enum cli_exit. */
typedef int api_visit_fn(void *context, json_t *object);
int api_each(struct session *session, const struct client_request *request,
             const struct schema_kind *kind, size_t limit, api_visit_fn *visit, void *context);

/* Attributes of a kind that are near to the word; NULL. */
const char *api_attribute_nearest(const struct schema_kind *kind, const char *word);

/* ---- Values from the command line (value.c); pure ----------------------------------------- */

/*
 * Set one attribute from text, by its type; lists grow with each call of one object.
 * @return 0; -BULKHEAD_EINVALID_INPUT with `problem`; -ENOMEM
 */
int value_set(const struct schema_kind *kind, json_t *object, const char *key, const char *value,
              struct buf *problem);

/* ---- Input (input.c, source.c, editor.c) -------------------------------------------------- */

struct source {
    char *name; /* file, URL, "standard input" */
    char *text;
    size_t len;
};
struct sources {
    struct source *items;
    size_t n, room;
};
void sources_clear(struct sources *sources);
#define _cleanup_sources_ _cleanup_(sources_clear)
/* A file, a directory (its *.yaml, *.yml, *.json), a URL, or "-". */
int sources_add(struct cli_call *call, const char *what, struct sources *sources);
/* Parse YAML or JSON, say what is wrong. */
int source_parse(struct cli_call *call, const struct source *source, struct document **ret);
/* New reference, NULL on ENOMEM. */
json_t *node_json(const struct node *node);
/* The node at a path such as "outgoingRules[0].object", or the last one on the way that is there.
 */
const struct node *node_at(const struct node *root, const char *path);

/* -f, -d and -k together, one object (or, with `many`, more than one), not checked. */
int input_read(struct cli_call *call, const struct schema_kind *kind, bool many, json_t **ret_list);
/* Check with the kind's table; `stored` NULL: a creation. `where`: for messages, may be NULL. */
int input_check(struct cli_call *call, const struct schema_kind *kind, const json_t *object,
                const json_t *stored, const char *where);
void input_report(struct cli_call *call, const struct schema_problems *problems, const char *where);
/*
 * $EDITOR on `object`, in YAML, until it is right by `check` or given up (CLI_FAILED). What was
 * written and then not sent is somebody's work: unless `sent`, editor_end() leaves the file and
 * says where it is.
 */
struct editor {
    struct cli_call *call;
    char *path;
    bool changed, sent;
};
typedef int editor_check_fn(void *context, json_t *object);
int editor_edit(struct editor *editor, const struct schema_kind *kind, const json_t *object,
                editor_check_fn *check, void *context, json_t **ret);
void editor_end(struct editor *editor);
#define _cleanup_editor_ _cleanup_(editor_end)
/* Comments with what each attribute is, in YAML. */
void stub_print(const struct schema_kind *kind, const json_t *object, FILE *out);
json_t *stub_object(const struct schema_kind *kind);
/* "one of Allow, Reject" */
void stub_type(const struct schema_attribute *attribute, FILE *out);

/* Of an option; 0 when it was not given. */
int api_number(struct cli_call *call, const char *option, size_t max, size_t *ret);
/* Append every --option: "namespace.viewer" is short for "@auth:role=namespace.viewer". */
int roles_given(struct cli_call *call, const char *option, json_t *list);

/* y/N on the terminal; CLI_FAILED: no; CLI_USAGE: there is nobody to ask. */
int api_confirm(struct cli_call *call, const char *question, const char *flag);

/* ---- Output (show.c) ---------------------------------------------------------------------- */

struct show {
    struct cli_call *call;
    const struct schema_kind *kind;
    const char *names[API_COLUMNS_MAX + 1]; /* columns; NULL-terminated */
    size_t n_columns;
    bool chosen; /* the columns were given */
    bool single; /* the answer is one object, not a list of one */
    struct cli_column columns[API_COLUMNS_MAX];
    struct output_list list;
};
/* Reads -c. `kind` NULL: of several. */
int show_open(struct cli_call *call, const struct schema_kind *kind, struct show *ret);
/* Attributes to ask for; NULL: all. */
const char *const *show_fields(const struct show *show);
/* One of a list; then the end of it. */
int show_add(struct show *show, json_t *object);
int show_end(struct show *show);
/* One object alone. */
int show_one(struct show *show, json_t *object);
void show_clear(struct show *show);
#define _cleanup_show_ _cleanup_(show_clear)
