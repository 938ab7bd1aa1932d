// SPDX-License-Identifier: MIT
/*
 * Destroying a domain.
 *
 * It is paused, so that it does not answer what happens to its devices; they are taken away; then the hypervisor takes
 * it apart, which is where its memory becomes free; then nodes and files go. Who is killed in between has left a record
 * (record.c), and each step may be done twice.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "destroy.h"
#include "device.h"

void userdata_path(char *path, size_t size, uint32_t domid, const uint8_t uuid[16], const char *kind)
{
	char text[37];

	uuid_format(text, uuid);
	snprintf(path, size, "/var/lib/xen/userdata-d.%u.%s.%s", domid, text, kind);
}

int destroy_remains(struct host *h, uint32_t domid, const uint8_t uuid[16])
{
	static const char *const kinds[] = { "libxl-json", "xl" };
	char path[128];
	int err, last;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		userdata_path(path, sizeof(path), domid, uuid, kinds[i]);
		unlink(path);
	}
	err = devices_remove(h, domid);
	last = nodes_remove(h, domid, uuid);
	return err ? err : last;
}

int destroy_parts(struct host *h, uint32_t domid, const uint8_t uuid[16])
{
	int err = xc_domain_pause(h->x, domid), last;

	if (err && err != -ESRCH)
		return say_call_error(h, "destroying domain %u", domid);
	/* Before its nodes go with it: backends hold its pages. What fails here is tried again behind. */
	devices_remove(h, domid);
	err = xc_domain_destroy(h->x, domid);
	if (err == -ESRCH)
		err = 0;
	else if (err)
		say_call_error(h, "destroying domain %u", domid);
	last = destroy_remains(h, domid, uuid);
	return err ? err : last;
}

int guest_destroy(struct host *h, uint32_t domid)
{
	struct xen_domctl_getdomaininfo info;
	struct record r;
	int err;

	if (!domid)
		return say_error(EINVAL, "domain 0 can't be destroyed");
	if (xc_domain_info(h->x, domid, &info))
		return errno == ESRCH ? say_error(ESRCH, "there is no domain %u", domid) :
					say_call_error(h, "destroying domain %u", domid);
	err = record_open(&r, "destroy", info.handle);
	if (err)
		return err;
	record_domid(&r, domid);
	err = destroy_parts(h, domid, info.handle);
	record_close(&r);
	return err;
}
