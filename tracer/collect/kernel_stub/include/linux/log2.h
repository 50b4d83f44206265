/* SPDX-License-Identifier: Apache-2.0 */
/* Empty: BCC includes it and uses nothing of it. */
