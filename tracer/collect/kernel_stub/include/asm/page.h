/* SPDX-License-Identifier: Apache-2.0 */
/* PAGE_SIZE comes by -D from the running machine: it is not one number per architecture. */
