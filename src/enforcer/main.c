/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/enforcer.h"

int main(int argc, char *argv[])
{
    return enforcer_main(argc, argv);
}
