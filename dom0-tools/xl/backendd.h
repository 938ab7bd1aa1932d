/* SPDX-License-Identifier: MIT */
/* backendd, the keeper of our block and network backends (backend-drivers/README.md), asked by its socket. */
#ifndef XL_BACKENDD_H
#define XL_BACKENDD_H

#include <stdbool.h>
#include "device.h"

/* Does one serve in this domain? */
bool backendd_runs(void);
/* Says "WORD KIND DOMID DEVID" of a device that it serves. 0, or -errno with its words as the reason, said. */
int backendd_ask(struct host *h, const struct device *d, const char *word);

#endif
