/* SPDX-License-Identifier: Apache-2.0 */
/* BCC refuses to compile for a kernel without bpf(). */
#define CONFIG_BPF_SYSCALL 1
