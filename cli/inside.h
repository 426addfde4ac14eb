/* SPDX-License-Identifier: Apache-2.0 */
/* inside.h - the doctor's look at a running warderd: how each of its processes is isolated.
 *
 * Which processes those are says the kernel, not warderd: who holds the socket of the given path
 * (/proc/net/unix), and their children. What each has is read in /proc/PID and held against the
 * tables of isolate.h. arg of each probe: the path of listener.sock. Without a warderd there, or
 * without the right to look, that is said, and is no fault. */
#pragma once
#include "probe.h"

probe_fn inside_caps, inside_privs, inside_filters, inside_network;
