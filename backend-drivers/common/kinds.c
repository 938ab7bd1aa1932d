// SPDX-License-Identifier: MIT
/* The kinds of devices that the keeper serves; each is defined beside its worker. */
#include "keeper.h"

extern const struct backend_kind qdisk_kind, netback_kind;

const struct backend_kind *const backend_kinds[] = { &qdisk_kind, &netback_kind, NULL };
