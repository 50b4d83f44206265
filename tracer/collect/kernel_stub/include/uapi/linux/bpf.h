/* SPDX-License-Identifier: Apache-2.0 */
/* Empty: BCC brings its own. */
