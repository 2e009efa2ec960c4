/* SPDX-License-Identifier: Apache-2.0 */
/* The manual page, from the command table: what --help says and the page says cannot differ. */
#include <string.h>

#include "cli/command.h"

/* Text in roff: backslashes and dashes as they are, no line that begins with a control character.
 */
static void print_roff(FILE *out, const char *text)
{
    bool start = true;

    for (; *text; text++) {
        if (start && (*text == '.' || *text == '\''))
            fputs("\\&", out);
        start = *text == '\n';
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else if (*text == '\'')
            fputs("\\(aq", out);
        else
            fputc(*text, out);
    }
}

/* Paragraphs separated by an empty line. */
static void print_paragraphs(FILE *out, const char *text)
{
    for (const char *end; (end = strstr(text, "\n\n")); text = end + 2) {
        char part[4096];

        assert((size_t)(end - text) < sizeof(part));
        snprintf(part, sizeof(part), "%.*s", (int)(end - text), text);
        print_roff(out, part);
        fputs("\n.PP\n", out);
    }
    print_roff(out, text);
    fputc('\n', out);
}

static void print_tagged(FILE *out, const char *head, const char *value, const char *help)
{
    fputs(".TP\n\\fB", out);
    print_roff(out, head);
    fputs("\\fR", out);
    if (value) {
        fputs(" \\fI", out);
        print_roff(out, value);
        fputs("\\fR", out);
    }
    fputc('\n', out);
    print_roff(out, help);
    fputs(".\n", out);
}

static void print_options(FILE *out, const struct cli_command *command, bool console)
{
    for (size_t i = 0; i < command->n_options; i++) {
        const struct cli_option *option = &command->options[i];
        char head[64];

        if (option->console != console)
            continue;
        if (option->letter)
            snprintf(head, sizeof(head), "-%c, --%s", option->letter, option->name);
        else
            snprintf(head, sizeof(head), "--%s", option->name);
        print_tagged(out, head, option->value, option->help);
    }
}

static void print_command(const struct cli_command *const *path, size_t depth, void *arg)
{
    const struct cli_command *command = path[depth - 1];
    FILE *out = arg;

    if (depth == 1)
        return;
    fputs(".SS ", out);
    cli_path_print(path, depth, out);
    if (command->argument)
        fprintf(out, " %s%s%s%s", command->argument->min ? "" : "[", command->argument->name,
                command->argument->max > 1 ? "..." : "", command->argument->min ? "" : "]");
    fputc('\n', out);
    print_roff(out, command->help);
    fputs(".\n", out);
    if (command->details) {
        fputs(".PP\n", out);
        print_paragraphs(out, command->details);
    }
    if (command->argument)
        print_tagged(out, command->argument->name, NULL, command->argument->help);
    print_options(out, command, false);
    if (command->example) {
        fputs(".PP\nExamples:\n.PP\n.nf\n.RS\n", out);
        print_roff(out, command->example);
        fputs("\n.RE\n.fi\n", out);
    }
}

static const char tail[] =
    ".SH EXIT STATUS\n"
    ".TP\n0\nDone; for \\fBpolicy eval\\fR: the flow is accepted.\n"
    ".TP\n1\nThe answer is no, or something failed.\n"
    ".TP\n2\nWrong usage or wrong input.\n"
    ".PP\nErrors go to standard error; nothing but the answer goes to standard output.\n"
    ".SH ENVIRONMENT\n"
    ".TP\n\\fBBULKHEAD_SOCKET\\fR\nControl socket of the enforcer; \\fB\\-\\-socket\\fR goes "
    "first.\n"
    ".TP\n\\fBBULKHEAD_API\\fR, \\fBBULKHEAD_CREDENTIALS\\fR, \\fBBULKHEAD_TOKEN\\fR, "
    "\\fBBULKHEAD_NAMESPACE\\fR\nThe Console, the app credential or token to show, the namespace "
    "to work in; the options of these names go first.\n"
    ".TP\n\\fBBULKHEAD_PROFILE\\fR\nThe profile to take what is not given from.\n"
    ".TP\n\\fBBULKHEAD_API_CACERT\\fR, \\fBBULKHEAD_API_SKIP_VERIFY\\fR, "
    "\\fBBULKHEAD_ENCODING\\fR, \\fBBULKHEAD_OUTPUT\\fR, \\fBBULKHEAD_TIMEOUT\\fR, "
    "\\fBBULKHEAD_TRACKING_ID\\fR\nLike the options of these names.\n"
    ".TP\n\\fBVISUAL\\fR, \\fBEDITOR\\fR\nThe editor of \\fB\\-\\-interactive\\fR.\n"
    ".TP\n\\fBHTTPS_PROXY\\fR, \\fBNO_PROXY\\fR\nThe way to the Console, as of "
    "\\fBcurl\\fR(1).\n"
    ".TP\n\\fBNO_COLOR\\fR\nWhen set and not empty: no colours. There are none anyway unless "
    "standard output is a terminal.\n"
    ".SH FILES\n"
    ".TP\n\\fI/run/bulkhead/enforcer.sock\\fR\nControl socket of the enforcer.\n"
    ".TP\n\\fI~/.config/bulkhead/NAME.yaml\\fR\nProfiles; \\fIcurrent\\fR there names the one in "
    "force.\n"
    ".TP\n\\fI~/.cache/bulkhead\\fR\nTokens, until they expire.\n"
    ".SH SEE ALSO\n"
    ".BR bulkhead\\-enforcer (1)\n";

void cli_manual_print(const struct cli_command *root, FILE *out)
{
    fputs(".\\\" SPDX-License-Identifier: Apache-2.0\n"
          ".\\\" Generated from the command table by 'bulkhead __manual'. Do not edit.\n"
          ".TH BULKHEAD 1 \"\" \"Bulkhead\" \"User Commands\"\n"
          ".SH NAME\nbulkhead \\- ",
          out);
    print_roff(out, root->help);
    fputs("\n.SH SYNOPSIS\n.B bulkhead\n[\\fIOPTION\\fR]... \\fICOMMAND\\fR "
          "[\\fIARGUMENT\\fR]...\n.SH DESCRIPTION\n",
          out);
    print_paragraphs(out, root->details);
    fputs(".SH OPTIONS\nThese hold for every command and stand anywhere on the line.\n", out);
    print_options(out, root, false);
    fputs(".SS Which Console, who, and where\nThese hold for every command that asks a Console, "
          "and stand anywhere on the line.\n",
          out);
    print_options(out, root, true);
    fputs(".SH COMMANDS\n", out);
    cli_visit(root, print_command, out);
    fputs(tail, out);
}
