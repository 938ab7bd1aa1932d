// SPDX-License-Identifier: MIT
/*
 * A guest's configuration as the JSON that libxl 4.17 makes of its libxl_domain_config: the keys in the order of that
 * struct, and only what differs from its defaults. xl list -l and create -n print it, libxl keeps it for each domain,
 * so that Debian's xl and ours can read about each other's guests.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config.h"
#include "json.h"

static void put_affinity(yajl_gen g, const char *key, char *const *texts, unsigned int nr, bool is_list,
			 unsigned int vcpus, const struct cpu_topology *topology)
{
	const char *why;

	if (!nr)
		return;
	json_open_list(g, key);
	for (unsigned int vcpu = 0; vcpu < vcpus && (!is_list || vcpu < nr); vcpu++) {
		struct cpumap map;

		cpus_parse(&map, texts[is_list ? vcpu : 0], topology, &why);
		json_open_list(g, NULL);
		for (unsigned int cpu = 0; cpu < CPUMAP_BITS; cpu++)
			if (cpumap_test(&map, cpu))
				json_number(g, NULL, cpu);
		json_close_list(g);
	}
	json_close_list(g);
}

static void put_tristate(yajl_gen g, const char *key, enum tristate value)
{
	if (value != TRI_DEFAULT)
		json_string(g, key, value == TRI_ON ? "True" : "False");
}

/* A number that is there only if it was given. */
static void put_given(yajl_gen g, const char *key, long long value)
{
	if (value != CONFIG_DEFAULT)
		json_number(g, key, value);
}

static void put_create_info(yajl_gen g, const struct guest_config *c)
{
	static const char *const types[] = { "pv", "pvh", "hvm" };
	char uuid[40];

	json_open(g, "c_info");
	json_string(g, "type", types[c->type]);
	json_text(g, "ssid_label", c->init_seclabel ? c->init_seclabel : c->seclabel);
	json_text(g, "name", c->name);
	json_uuid(uuid, c->uuid);
	json_string(g, "uuid", uuid);
	json_text(g, "pool_name", c->pool);
	json_string(g, "run_hotplug_scripts", c->run_hotplug_scripts ? "True" : "False");
	put_tristate(g, "driver_domain", c->driver_domain_said);
	put_tristate(g, "xend_suspend_evtchn_compat", c->suspend_compat_said);
	json_close(g);
}

static void put_sched_params(yajl_gen g, const struct guest_config *c)
{
	json_open(g, "sched_params");
	put_given(g, "weight", c->cpu_weight);
	put_given(g, "cap", c->cap);
	put_given(g, "period", c->sched_period);
	put_given(g, "extratime", c->sched_extratime);
	put_given(g, "slice", c->sched_slice);
	put_given(g, "latency", c->sched_latency);
	json_close(g);
}

static void put_hardware(yajl_gen g, const struct guest_config *c)
{
	if (c->nr_ioports) {
		json_open_list(g, "ioports");
		for (unsigned int i = 0; i < c->nr_ioports; i++) {
			json_open(g, NULL);
			json_number(g, "first", c->ioports[i].start);
			json_number(g, "number", c->ioports[i].number);
			json_close(g);
		}
		json_close_list(g);
	}
	if (c->nr_irqs) {
		json_open_list(g, "irqs");
		for (unsigned int i = 0; i < c->nr_irqs; i++)
			json_number(g, NULL, c->irqs[i]);
		json_close_list(g);
	}
	if (c->nr_iomem) {
		json_open_list(g, "iomem");
		for (unsigned int i = 0; i < c->nr_iomem; i++) {
			json_open(g, NULL);
			json_number(g, "start", c->iomem[i].start);
			json_number(g, "number", c->iomem[i].number);
			if (c->iomem[i].gfn != UINT64_MAX)
				json_number(g, "gfn", c->iomem[i].gfn);
			json_close(g);
		}
		json_close_list(g);
	}
}

static void put_type(yajl_gen g, const struct guest_config *c)
{
	static const char *const parts[] = { "vga", "vnc", "sdl", "spice", "rdm" };

	if (c->type == GUEST_PV) {
		json_open(g, "type.pv");
		put_tristate(g, "e820_host", c->e820_host);
	} else if (c->type == GUEST_PVH) {
		json_open(g, "type.pvh");
	} else {
		json_open(g, "type.hvm");
		for (unsigned int i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
			json_open(g, parts[i]);
			json_close(g);
		}
	}
	json_close(g);
}

static void put_build_info(yajl_gen g, const struct guest_config *c, const struct cpu_topology *topology, bool kept)
{
	static const char *const tsc_modes[] = { "default", "always_emulate", "native", "native_paravirt" };

	json_open(g, "b_info");
	if (c->has_vcpus || c->has_maxvcpus)
		json_number(g, "max_vcpus", c->maxvcpus);
	if (c->has_vcpus) {
		json_open_list(g, "avail_vcpus");
		for (unsigned int i = 0; i < c->vcpus; i++)
			json_number(g, NULL, i);
		json_close_list(g);
	}
	put_affinity(g, "vcpu_hard_affinity", c->cpus, c->nr_cpus, c->cpus_is_list, c->maxvcpus, topology);
	put_affinity(g, "vcpu_soft_affinity", c->cpus_soft, c->nr_cpus_soft, c->cpus_soft_is_list, c->maxvcpus, topology);
	if ((c->nr_cpus && c->cpus_is_list) || c->nr_cpus_soft)
		json_string(g, "numa_placement", "False");
	if (c->tsc_mode != TSC_DEFAULT)
		json_string(g, "tsc_mode", tsc_modes[c->tsc_mode]);
	if (c->has_memory || c->has_maxmem)
		json_number(g, "max_memkb", c->maxmem);
	if (c->has_memory)
		json_number(g, "target_memkb", c->memory);
	/* libxl adds it to the target, and takes what isn't there for -1. */
	if (kept)
		json_number(g, "video_memkb", 0);
	if (c->has_rtc_timeoffset)
		json_number(g, "rtc_timeoffset", (uint32_t)c->rtc_timeoffset);
	if (c->init_seclabel)
		json_text(g, "exec_ssid_label", c->seclabel);
	put_tristate(g, "localtime", c->localtime_said);
	put_tristate(g, "disable_migrate", c->nomigrate_said);
	put_given(g, "max_grant_frames", c->max_grant_frames);
	put_given(g, "max_maptrack_frames", c->max_maptrack_frames);
	put_given(g, "max_grant_version", c->max_grant_version);
	put_sched_params(g, c);
	put_hardware(g, c);
	put_tristate(g, "claim_mode", c->claim);
	if (c->max_event_channels != 1023)
		json_number(g, "event_channels", c->max_event_channels);
	json_text(g, "kernel", c->kernel);
	json_text(g, "cmdline", c->cmdline);
	json_text(g, "ramdisk", c->ramdisk);
	json_text(g, "bootloader", c->bootloader);
	if (c->bootloader_args && c->bootloader_args[0]) {
		json_open_list(g, "bootloader_args");
		for (char **arg = c->bootloader_args; *arg; arg++)
			json_string(g, NULL, *arg);
		json_close_list(g);
	}
	put_type(g, c);
	json_open(g, "arch_arm");
	json_close(g);
	json_open(g, "arch_x86");
	json_close(g);
	json_close(g);
}

const char *const disk_backend_words[] = { "unknown", "phy", "tap", "qdisk", "standalone", NULL };
const char *const disk_format_words[] = { "unknown", "qcow", "qcow2", "vhd", "raw", "empty", "qed", "vmdk", NULL };

void disk_to_json(yajl_gen g, const struct disk_config *d)
{
	json_open(g, NULL);
	json_text(g, "backend_domname", d->backend);
	json_text(g, "pdev_path", d->target);
	json_text(g, "vdev", d->vdev);
	if (d->backendtype)
		json_string(g, "backend", disk_backend_words[d->backendtype]);
	if (d->format)
		json_string(g, "format", disk_format_words[d->format]);
	json_text(g, "script", d->script);
	if (d->removable)
		json_number(g, "removable", 1);
	if (d->readwrite)
		json_number(g, "readwrite", 1);
	if (d->is_cdrom)
		json_number(g, "is_cdrom", 1);
	if (d->direct_io_safe)
		json_bool(g, "direct_io_safe", true);
	put_tristate(g, "discard_enable", d->discard);
	if (d->specification && strcmp(d->specification, "xen"))
		json_string(g, "specification", d->specification);
	put_tristate(g, "colo_enable", d->colo);
	json_text(g, "colo_host", d->colo_host);
	if (d->colo_port)
		json_number(g, "colo_port", d->colo_port);
	json_text(g, "colo_export", d->colo_export);
	json_text(g, "active_disk", d->active_disk);
	json_text(g, "hidden_disk", d->hidden_disk);
	put_tristate(g, "trusted", d->trusted);
	json_close(g);
}

void vif_to_json(yajl_gen g, const struct vif_config *v)
{
	json_open(g, NULL);
	json_text(g, "backend_domname", v->backend);
	put_given(g, "devid", v->devid);
	put_given(g, "mtu", v->mtu);
	json_text(g, "model", v->model);
	if (v->has_mac) {
		char mac[20];

		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", v->mac[0], v->mac[1], v->mac[2], v->mac[3],
			 v->mac[4], v->mac[5]);
		json_string(g, "mac", mac);
	}
	json_text(g, "ip", v->ip);
	json_text(g, "bridge", v->bridge);
	json_text(g, "ifname", v->ifname);
	json_text(g, "script", v->script);
	if (v->type)
		json_string(g, "nictype", v->type == VIF_TYPE_VIF ? "vif" : "vif_ioemu");
	if (v->rate_bytes)
		json_number(g, "rate_bytes_per_interval", v->rate_bytes);
	if (v->rate_usecs)
		json_number(g, "rate_interval_usecs", v->rate_usecs);
	json_text(g, "gatewaydev", v->gatewaydev);
	put_tristate(g, "trusted", v->trusted);
	if (v->backendtype)
		json_string(g, "backendtype", v->backendtype == VIF_BACKEND_NETBACK ? "netback" : "linux");
	json_close(g);
}

static void put_devices(yajl_gen g, const struct guest_config *c)
{
	if (c->nr_disks) {
		json_open_list(g, "disks");
		for (unsigned int i = 0; i < c->nr_disks; i++)
			disk_to_json(g, &c->disks[i]);
		json_close_list(g);
	}
	if (c->nr_vifs) {
		json_open_list(g, "nics");
		for (unsigned int i = 0; i < c->nr_vifs; i++)
			vif_to_json(g, &c->vifs[i]);
		json_close_list(g);
	}
	if (c->nr_p9s) {
		json_open_list(g, "p9s");
		for (unsigned int i = 0; i < c->nr_p9s; i++) {
			json_open(g, NULL);
			json_text(g, "backend_domname", c->p9s[i].backend);
			json_text(g, "tag", c->p9s[i].tag);
			json_text(g, "path", c->p9s[i].path);
			json_text(g, "security_model", c->p9s[i].security_model);
			json_close(g);
		}
		json_close_list(g);
	}
	if (c->nr_channels) {
		json_open_list(g, "channels");
		for (unsigned int i = 0; i < c->nr_channels; i++) {
			json_open(g, NULL);
			json_text(g, "backend_domname", c->channels[i].backend);
			json_number(g, "devid", i);
			json_text(g, "name", c->channels[i].name);
			json_open(g, c->channels[i].is_socket ? "connection.socket" : "connection.pty");
			if (c->channels[i].is_socket)
				json_text(g, "path", c->channels[i].path);
			json_close(g);
			json_close(g);
		}
		json_close_list(g);
	}
}

static void put_action(yajl_gen g, const char *key, enum shutdown_action action)
{
	static const char *const words[] = {
		[ACTION_RESTART] = "restart", "restart_rename", "preserve", "coredump_destroy", "coredump_restart", "soft_reset",
	};

	if (action != ACTION_DESTROY)
		json_string(g, key, words[action]);
}

char *config_to_json(const struct guest_config *c, const struct cpu_topology *topology, int domid, bool bare)
{
	yajl_gen g = json_new();

	json_open(g, NULL);
	if (!bare) {
		if (domid >= 0)
			json_number(g, "domid", domid);
		else
			json_null(g, "domid");
		json_open(g, "config");
	}
	put_create_info(g, c);
	put_build_info(g, c, topology, bare && domid >= 0);
	put_devices(g, c);
	put_action(g, "on_poweroff", c->on_poweroff);
	put_action(g, "on_reboot", c->on_reboot);
	put_action(g, "on_watchdog", c->on_watchdog);
	put_action(g, "on_crash", c->on_crash);
	put_action(g, "on_soft_reset", c->on_soft_reset);
	json_close(g);
	if (!bare)
		json_close(g);
	return json_finish(g);
}
