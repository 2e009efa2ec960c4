/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"

/* The next descriptor that is opened takes the lowest number that is free: with standard output
 * closed, that would be the connection to the Console, and answers would go there. What takes their
 * place here cannot be used, and says so. */
static void keep_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
            abort();
}

int main(int argc, char **argv)
{
    keep_standard_descriptors();
    /* For the width of characters on the terminal only; numbers stay as they are. */
    setlocale(LC_CTYPE, "");
    /* A reader that went away is an error of write(), seen when the output is closed. */
    signal(SIGPIPE, SIG_IGN);
    return cli_main(argc, argv, stdout, stderr);
}
