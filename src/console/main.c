/* SPDX-License-Identifier: Apache-2.0 */
#include "console/console.h"

int main(int argc, char *argv[])
{
    return console_main(argc, argv);
}
