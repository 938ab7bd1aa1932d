// SPDX-License-Identifier: MIT
/*
 * Network interfaces: nodes for Linux's xen-netback, or for ours, which has a tap where Linux has a vif of its own and
 * the same nodes. What connects either to dom0's network is a script.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include "../libxenstore/batch.h"
#include "backendd.h"
#include "device.h"

#define SCRIPT_FOLDER	"/etc/xen/scripts"

static void script_path(const struct vif_config *vif, char *path, size_t size)
{
	const char *script = vif->script ? vif->script : "vif-bridge";

	snprintf(path, size, "%s%s", *script == '/' ? "" : SCRIPT_FOLDER "/", script);
}

static const char *bridge_of(const struct vif_config *vif)
{
	return vif->bridge ? vif->bridge : "xenbr0";
}

int nic_prepare(struct host *h, struct device *d, struct vif_config *vif, uint32_t domid, unsigned int devid)
{
	char path[256];
	uint32_t backend;
	int err = device_backend(h, vif->backend, &backend);

	if (vif->devid < 0)
		vif->devid = devid;
	if (!vif->has_mac) {
		uint8_t random[3];

		if (getrandom(random, sizeof(random), 0) != sizeof(random))
			return say_error(EIO, "network interface %d: no random numbers for its address", vif->devid);
		vif_random_mac(vif, random);
	}
	device_init(d, DEVICE_VIF, domid, err ? 0 : backend, vif->devid);
	d->vif = vif;
	if (vif->backendtype == VIF_BACKEND_NETBACK)
		device_set_backend(d, BACKEND_NETBACK, d->backend_domid);
	if (err)
		return say_error(ENOENT, "%s: there is no domain %s to serve it", d->name, vif->backend);
	if (backend != device_own_domain(h))
		return 0;
	if (device_is_ours(d) && !backendd_runs())
		return say_error(ENODEV, "%s: backendd, which serves it, is not running (systemctl start backendd starts it)",
				 d->name);
	script_path(vif, path, sizeof(path));
	if (access(path, X_OK))
		return say_error(ENOENT, "%s: its script %s can't be run: %s", d->name, path, strerror(errno));
	if (strstr(path, "vif-bridge")) {
		snprintf(path, sizeof(path), "/sys/class/net/%.64s", bridge_of(vif));
		if (access(path, F_OK))
			return say_error(ENODEV, "%s: there is no bridge %s (ip link add %s type bridge makes one)", d->name,
					 bridge_of(vif), bridge_of(vif));
	}
	return 0;
}

void nic_nodes(struct xs_batch *b, const struct device *d)
{
	const char *const places[] = { d->back, d->libxl };
	const struct vif_config *vif = d->vif;
	char script[256], mac[18], handle[16], rate[48], mtu[16];

	script_path(vif, script, sizeof(script));
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", vif->mac[0], vif->mac[1], vif->mac[2], vif->mac[3],
		 vif->mac[4], vif->mac[5]);
	snprintf(handle, sizeof(handle), "%u", d->devid);
	snprintf(rate, sizeof(rate), "%llu,%u", (unsigned long long)vif->rate_bytes, vif->rate_usecs);
	snprintf(mtu, sizeof(mtu), "%d", vif->mtu);
	batch_write(b, handle, "%s/handle", d->front);
	batch_write(b, vif->trusted == TRI_OFF ? "0" : "1", "%s/trusted", d->front);
	batch_write(b, mac, "%s/mac", d->front);
	if (vif->mtu > 0)
		batch_write(b, mtu, "%s/mtu", d->front);
	for (int i = 0; i < 2; i++) {
		batch_write(b, script, "%s/script", places[i]);
		if (vif->ifname)
			batch_write(b, vif->ifname, "%s/vifname", places[i]);
		batch_write(b, mac, "%s/mac", places[i]);
		if (vif->ip)
			batch_write(b, vif->ip, "%s/ip", places[i]);
		batch_write(b, bridge_of(vif), "%s/bridge", places[i]);
		if (vif->gatewaydev)
			batch_write(b, vif->gatewaydev, "%s/gatewaydev", places[i]);
		if (vif->rate_bytes)
			batch_write(b, rate, "%s/rate", places[i]);
		if (vif->mtu > 0)
			batch_write(b, mtu, "%s/mtu", places[i]);
		batch_write(b, handle, "%s/handle", places[i]);
		batch_write(b, "vif", "%s/type", places[i]);
		batch_write(b, "", "%s/hotplug-status", places[i]);
	}
}
