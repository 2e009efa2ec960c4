/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Protocols with raw sockets in our network namespace: their packets are for the sockets' own
 * units. create.bpf.c notes a new one at once; here the list becomes what there really is (proc(5)
 * net/raw).
 */
#include <stdio.h>

#include "internal.h"

#include "bulkhead.skel.h"

#define PROTOCOLS 256
#define LINE_BYTES 512

static bool read_into(const char *file, uint8_t seen[PROTOCOLS])
{
    FILE *f = fopen(file, "re");
    char line[LINE_BYTES];
    unsigned protocol;

    if (!f)
        return false;
    while (fgets(line, sizeof(line), f))
        if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x", &protocol) == 1 && protocol < PROTOCOLS)
            seen[protocol] = 1;
    fclose(f);
    return true;
}

void raw_protocols_sync(struct datapath *dp)
{
    int fd = bpf_map__fd(dp->skeleton->maps.raw_protocols);
    uint8_t seen[PROTOCOLS] = {0}, known;
    __u32 protocol;

    if (!read_into("/proc/net/raw", seen))
        return;
    read_into("/proc/net/raw6", seen); /* absent without IPv6 */
    for (protocol = 0; protocol < PROTOCOLS; protocol++)
        if (bpf_map_lookup_elem(fd, &protocol, &known) == 0 && known != seen[protocol])
            bpf_map_update_elem(fd, &protocol, &seen[protocol], BPF_ANY);
}
