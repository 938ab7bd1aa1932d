/* SPDX-License-Identifier: MIT */
/*
 * Disks and network interfaces of guests: nodes in the store as libxl of 4.17 has them, for Linux's own backends
 * (xen-blkback, xen-netback), for ours (backendd with blkback and netback), and others that follow their protocol.
 *
 * Functions that fail have said why on stderr, with the device and the backend's words, and return -errno.
 */
#ifndef XL_DEVICE_H
#define XL_DEVICE_H

#include "guest.h"

/* What can be known to fail before there is a domain: files, bridges, scripts, backends that are not there. */
int devices_check(struct host *h, const struct disk_config *disks, unsigned int nr_disks, const struct vif_config *vifs,
		  unsigned int nr_vifs);

/*
 * Gives domain @domid devices and waits until their backends are ready. What was done of it stays if it fails:
 * devices_remove() takes it away; *written (may be NULL) says whether there is anything. A vif's devid, MAC and script
 * are filled in if they are not said.
 */
int devices_add(struct host *h, uint32_t domid, struct disk_config *disks, unsigned int nr_disks,
		struct vif_config *vifs, unsigned int nr_vifs, bool *written);

/*
 * Takes all devices from a domain that is about to be destroyed, or is gone already; it is not asked. Backends are
 * waited for, but not for ever.
 */
int devices_remove(struct host *h, uint32_t domid);

/* --- between device.c, device_disk.c, device_nic.c, device_wait.c -------------------------------- */

enum device_kind { DEVICE_VBD, DEVICE_VIF, DEVICE_KINDS };
extern const char *const device_kinds[];

/* Who serves a device is the folder beneath `backend` in the store. Linux's modules claim the first two. */
enum backend_kind { BACKEND_VBD, BACKEND_VIF, BACKEND_QDISK, BACKEND_NETBACK, BACKEND_KINDS };
extern const char *const backend_kinds[];

enum device_stage { STAGE_BACKEND, STAGE_HOTPLUG, STAGE_DONE };

struct device {
	enum device_kind kind;
	enum backend_kind backend;
	uint32_t domid, backend_domid;
	unsigned int devid;
	char name[160];			/* for people: "disk xvda (/srv/a.img)" */
	char front[80], back[80], libxl[80];
	/* When it is added: */
	const struct disk_config *disk;
	const struct vif_config *vif;
	int backing;			/* the file or block device, opened; -1: none */
	char physical[32];		/* "7:3", hexadecimal; "": not known yet */
	char physical_path[32];
	/* While backends are waited for: */
	enum device_stage stage;
	int keep_open;			/* the loop device until the backend has it; -1 */
};

struct xs_batch;

/* Paths and name; the backend is Linux's. */
void device_init(struct device *d, enum device_kind kind, uint32_t domid, uint32_t backend_domid, unsigned int devid);
void device_set_backend(struct device *d, enum backend_kind backend, uint32_t backend_domid);
/* Does backendd serve it, not Linux? */
bool device_is_ours(const struct device *d);
/* As device_init() with the backend that the toolstack's copy names; false if the domain has no such device. */
bool device_find(struct host *h, struct device *d, enum device_kind kind, uint32_t domid, unsigned int devid);
/* "disk xvda (...): @format" as say_error(); with what the backend said in the store. */
__attribute__((format(printf, 4, 5))) int device_error(struct host *h, const struct device *d, int err, const char *format, ...);

/* A domain by name or number; NULL is domain 0. -ENOENT if there is none. */
int device_backend(struct host *h, const char *word, uint32_t *domid);
/* This program's own domain: 0, or that of a driver domain. */
uint32_t device_own_domain(struct host *h);

/* The devices that the toolstack knows of a domain; malloc()ed. All kinds if @kind is DEVICE_KINDS. */
struct device *devices_list(struct host *h, uint32_t domid, enum device_kind kind, unsigned int *nr);

/* device_disk.c: looks at what is behind the disk; puts the nodes; makes the backend's device known. */
int disk_prepare(struct host *h, struct device *d, const struct disk_config *disk, uint32_t domid);
/* Opens what is behind the disk; nobody may write to it who is not alone. */
int disk_open(struct host *h, struct device *d, const struct disk_config *disk);
void disk_nodes(struct xs_batch *b, const struct device *d);
int disk_attach(struct host *h, struct device *d);
/* Has the backend opened it? */
bool disk_taken(const struct device *d);
void disk_release(struct device *d);

/* device_nic.c */
int nic_prepare(struct host *h, struct device *d, struct vif_config *vif, uint32_t domid, unsigned int devid);
void nic_nodes(struct xs_batch *b, const struct device *d);

/* device_wait.c: 0 or -errno, said. */
int devices_wait_ready(struct host *h, struct device *devices, unsigned int nr);
/* @patient: who has not closed in time is an error, not passed over. */
int devices_wait_closed(struct host *h, struct device *devices, unsigned int nr, bool patient);
/* Runs the hotplug script that the backend's node names, if it does: @what is add, online, remove, offline. */
int device_script(struct host *h, const struct device *d, const char *what);
/* Removes all nodes of devices that are closed. */
int devices_forget(struct host *h, const struct device *devices, unsigned int nr);

/* Puts online = 0 and state = Closing; with @force also takes the guest's side away. */
int devices_close(struct host *h, const struct device *devices, unsigned int nr, bool force);

#endif
