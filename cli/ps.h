/* SPDX-License-Identifier: Apache-2.0 */
/* ps.h - words about sessions that other verbs use too. */
#pragma once
#include <stddef.h>

/* "45s", "12m", "3h", "9d" since a time of the API's ("2026-11-24T11:30:00Z"); "-": it is none. */
const char *ps_age(const char *started, char *buf, size_t size);
