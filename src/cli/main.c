/* SPDX-License-Identifier: Apache-2.0 */
#include <locale.h>
#include <signal.h>
#include <stdio.h>

#include "cli/cli.h"

int main(int argc, char **argv)
{
    /* For the width of characters on the terminal only; numbers stay as they are. */
    setlocale(LC_CTYPE, "");
    /* A reader that went away is an error of write(), seen when the output is closed. */
    signal(SIGPIPE, SIG_IGN);
    return cli_main(argc, argv, stdout, stderr);
}
