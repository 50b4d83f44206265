/* SPDX-License-Identifier: Apache-2.0 */
/* Only kprobes would need the running kernel's; no harm was seen on 5.10 to 7.3. */
#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))
#define LINUX_VERSION_CODE KERNEL_VERSION(5, 10, 0)
