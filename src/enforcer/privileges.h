/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Give up every capability that enforcing does not need, and the way to new ones (no_new_privs).
 * What is kept: CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN (programs, maps, links, sock_diag),
 * CAP_SYS_ADMIN (setns; bpf() before Linux 5.8), CAP_SYS_RESOURCE (memlock limit before
 * Linux 5.11), CAP_NET_RAW, CAP_SYS_PTRACE, CAP_SYS_CHROOT, CAP_DAC_READ_SEARCH (other processes'
 * network namespaces).
 *
 * @return 0, -errno
 */
int privileges_drop(void);
