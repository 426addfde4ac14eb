/* SPDX-License-Identifier: Apache-2.0 */
/* failpoint.h - places where a test build can die or stop.
 *
 * In builds with -DWARDER_FAILPOINTS (build/fail, used by tests only) FAILPOINT("hook.seized")
 * reads $WARDER_FAILPOINT ("NAME=kill", "NAME=stop", "NAME=eat" (memory), "NAME=exit") and obeys
 * when NAME is its own. In every other build it is nothing. */
#pragma once

#ifdef WARDER_FAILPOINTS
void failpoint(const char *name);
#define FAILPOINT(name) failpoint(name)
#else
#define FAILPOINT(name) ((void)0)
#endif
