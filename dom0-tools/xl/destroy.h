/* SPDX-License-Identifier: MIT */
/* The steps of destroying, for who has recorded already that it does. */
#ifndef XL_DESTROY_H
#define XL_DESTROY_H

#include "guest.h"

/* The domain, its devices and all that destroy_remains() removes. 0 or -errno, said. */
int destroy_parts(struct host *h, uint32_t domid, const uint8_t uuid[16]);
/* What a domain that is gone has left: devices, nodes, files. */
int destroy_remains(struct host *h, uint32_t domid, const uint8_t uuid[16]);

/* Where libxl keeps what it knows of a domain, for Debian's xl too: as JSON (@kind "libxl-json"), or the user's text ("xl"). */
void userdata_path(char *path, size_t size, uint32_t domid, const uint8_t uuid[16], const char *kind);

#endif
