/* SPDX-License-Identifier: MIT */
/*
 * Devices in the JSON that is kept of a domain (userdata "libxl-json"). New texts are malloc()ed; NULL if @text is NULL or is
 * no such JSON.
 */
#ifndef XL_SAVED_H
#define XL_SAVED_H

#include <stdbool.h>

struct disk_config;
struct vif_config;
struct guest_config;

/* The text with one more; one of the same number is replaced. @vif has its number. */
char *saved_with_disk(const char *text, const struct disk_config *disk);
char *saved_with_vif(const char *text, const struct vif_config *vif);
/* Without the disk of that number (disk_vdev_number()), or the interface. */
char *saved_without(const char *text, bool is_vif, unsigned int devid);
/* Replaces the disks and interfaces of @c by those of the text. -1: no such text, nothing changed. */
int saved_devices(struct guest_config *c, const char *text);

#endif
