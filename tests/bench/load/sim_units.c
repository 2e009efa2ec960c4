/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <time.h>

#include "load.h"

/*
 * What a simulated host says about itself. Unit u of host h has app=aU, group=gH (as many hosts as
 * options.group share one), estate=load.
 */

#define TEXT 64

static int64_t wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void send_message(struct sim *sim, const struct link_message *message)
{
    _cleanup_buf_ struct buf buf = BUF_INIT(2 * LINK_MESSAGE_BYTES_MAX);

    link_encode(&buf, message);
    if (buf.error == 0)
        socket_send(&sim->stream, 2, buf.data, buf.len);
}

void sim_hello(struct sim *sim)
{
    char machine[TEXT], address[TEXT], host[TEXT];
    struct link_message message = {
        .type = LINK_HELLO,
        .hello = {.version = "0.1.0",
                  .machine_id = machine,
                  .boot_id = "boot",
                  .host_name = host,
                  .time_ms = wall_ms(),
                  .n_keys = 1,
                  .n_addresses = 1,
                  .revision = sim->revision,
                  .digest = sim->digest},
    };

    snprintf(machine, sizeof(machine), "machine-%05u", sim->index);
    snprintf(host, sizeof(host), "h%05u.example.com", sim->index);
    snprintf(address, sizeof(address), "10.%u.%u.%u", 100 + sim->index / 65536,
             sim->index / 256 % 256, sim->index % 256);
    message.hello.keys[0].epoch = 1;
    for (size_t i = 0; i < sizeof(message.hello.keys[0].public_key); i++)
        message.hello.keys[0].public_key[i] = (uint8_t)(sim->index >> (i % 4 * 8));
    message.hello.addresses[0] = address;
    send_message(sim, &message);
}

void sim_units(struct sim *sim)
{
    unsigned n = MIN(sim->load->options.units, (unsigned)LOAD_UNITS_MAX);
    char local[LOAD_UNITS_MAX][TEXT], name[LOAD_UNITS_MAX][TEXT], app[LOAD_UNITS_MAX][TEXT];
    struct link_unit *units = calloc(n + 1, sizeof(*units));
    struct link_message message = {.type = LINK_UNITS,
                                   .units = {.all = true, .units = units, .n = n}};
    char group[TEXT];

    if (!units)
        return;
    snprintf(group, sizeof(group), "group=g%04u", sim->index / sim->load->options.group);
    for (unsigned i = 0; i < n; i++) {
        snprintf(local[i], TEXT, "unit-%02u", i);
        snprintf(name[i], TEXT, "h%05u-u%02u", sim->index, i);
        snprintf(app[i], TEXT, "app=a%02u", i);
        units[i] = (struct link_unit){.local_id = local[i],
                                      .name = name[i],
                                      .type = "LinuxService",
                                      .native_id = local[i],
                                      .n_tags = 3,
                                      .n_metadata = 1,
                                      .tags = {app[i], group, "estate=load"},
                                      .metadata = {"@sys:os=linux"}};
    }
    send_message(sim, &message);
    free(units);
}
