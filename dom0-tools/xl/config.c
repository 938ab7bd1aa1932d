// SPDX-License-Identifier: MIT
/*
 * xl.cfg(5): what the keys mean. Each key of xl 4.17 is in the table below; those that a PV guest needs fill struct
 * guest_config, the others are named once as not supported yet. Where xl of 4.17 goes on with a warning, so do we:
 * only what it refuses, and what no guest could be made from, is an error.
 *
 *  1. Nothing is taken from the text but through lang.c, so the text may be anything.
 *  2. A failed parse leaves an empty struct, and each error was reported with its place.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config_parts.h"

static const char *const known_keys[] = {
	"name", "type", "builder", "kernel", "ramdisk", "cmdline", "root", "extra", "memory", "maxmem", "vcpus", "maxvcpus",
	"cpus", "cpus_soft", "disk", "vif", "uuid", "on_poweroff", "on_reboot", "on_crash", "on_watchdog", "on_soft_reset",
	"bootloader", "bootloader_args", "cpu_weight", "cap", "period", "slice", "latency", "extratime", "pool",
	"seclabel", "init_seclabel", "max_grant_frames", "max_maptrack_frames", "max_grant_version",
	"max_event_channels", "nomigrate", "driver_domain", "ioports", "iomem", "irqs", "e820_host", "firmware",
	"tsc_mode", "localtime", "rtc_timeoffset", "cpuid", "channel", "p9", "xend_suspend_evtchn_compat",
	"passthrough", "pci",
};

/* Accepted, and without effect here. */
static const char *const unsupported_keys[] = {
	"acpi", "acpi_firmware", "acpi_laptop_slate", "acpi_s3", "acpi_s4", "altp2m", "altp2mhvm", "apic", "bios",
	"bios_path_override", "boot", "device_model_args", "device_model_args_hvm", "device_model_args_pv",
	"device_model_override", "device_model_stubdomain_override", "device_model_stubdomain_seclabel",
	"device_model_user", "device_model_version", "device_tree", "display", "dm_restrict", "dtdev",
	"firmware_override", "gfx_passthru", "gic_version", "hap", "hdtype", "hpet", "keymap", "mca_caps",
	"mmio_hole", "ms_vm_genid", "msr_relaxed", "nestedhvm", "nographic", "nx", "oos", "opengl", "pae",
	"pci_msitranslate", "pci_permissive", "pci_power_mgmt", "pci_seize", "pvcalls", "pvshim", "pvshim_cmdline",
	"pvshim_extra", "pvshim_path", "rdm", "rdm_mem_boundary", "sdl", "serial", "shadow_memory", "smbios_firmware",
	"soundhw", "spice", "spice_clipboard_sharing", "spice_image_compression", "spice_streaming_video",
	"spiceagent_mouse", "spicedisable_ticketing", "spicehost", "spicepasswd", "spiceport", "spicetls_port",
	"spiceusbredirection", "spicevdagent", "stdvga", "stubdomain_cmdline", "stubdomain_kernel",
	"stubdomain_memory", "stubdomain_ramdisk", "tee", "timer_mode", "usb", "usbctrl", "usbdev", "usbdevice",
	"usbversion", "vdispl", "vendor_device", "vfb", "vga", "videoram", "vif2", "viridian", "vkb", "vkb_device",
	"vmtrace_buf_kb", "vnc", "vncdisplay", "vnclisten", "vncpasswd", "vncunused", "vncviewer", "vnuma", "vpmu",
	"vpt_align", "vsnd", "vtpm", "vuart", "xauthority", "xen_platform_pci", "device_model",
};

/* The image that Debian's grub-xen-host has for firmware=. */
#define PVGRUB		"/usr/lib/grub-xen/grub-%s-xen.bin"

static void take_string(struct lang *l, const char *key, char **field)
{
	const char *s = lang_string(l, key);

	if (s) {
		free(*field);
		*field = copy(s);
	}
}

static bool take_int(struct lang *l, const char *key, long long low, long long high, int *field)
{
	long long n;

	if (!lang_number(l, key, low, high, &n))
		return false;
	*field = n;
	return true;
}

static void take_tristate(struct lang *l, const char *key, enum tristate *field)
{
	bool yes;

	if (lang_bool(l, key, &yes))
		*field = yes ? TRI_ON : TRI_OFF;
}

/* --- what the guest is --------------------------------------------------------------------- */

static void take_type(struct guest_config *c, struct lang *l)
{
	const struct lang_value *v = lang_single(l, "type"), *builder = lang_single(l, "builder");
	const char *key = v ? "type" : "builder";

	c->type = GUEST_PV;
	if (!v)
		v = builder;
	if (!v)
		return;
	if (!strcmp(v->text, "pvh"))
		c->type = GUEST_PVH;
	else if (!strcmp(v->text, "hvm"))
		c->type = GUEST_HVM;
	else if (strcmp(v->text, "pv") && !(v == builder && !strcmp(v->text, "generic")))
		lang_say(l, true, v, key, "unknown type `%s'; accepted are pv, pvh, hvm", v->text);
}

static void take_uuid(struct guest_config *c, struct lang *l)
{
	const struct lang_value *v = lang_single(l, "uuid");
	unsigned int n = 0;
	const char *p;

	if (!v)
		return;
	for (p = v->text; *p && n < 32; p++) {
		if (p - v->text == 8 || p - v->text == 13 || p - v->text == 18 || p - v->text == 23) {
			if (*p != '-')
				break;
			continue;
		}
		if (!isxdigit((unsigned char)*p))
			break;
		c->uuid[n / 2] = c->uuid[n / 2] << 4 | (*p <= '9' ? *p - '0' : (*p | 32) - 'a' + 10);
		n++;
	}
	c->has_uuid = n == 32 && !*p;
	if (!c->has_uuid)
		lang_say(l, true, v, "uuid", "`%s' is no uuid; accepted is the form "
			 "01234567-89ab-cdef-0123-456789abcdef", v->text);
}

static void take_cmdline(struct guest_config *c, struct lang *l)
{
	const struct lang_value *v = lang_single(l, "cmdline");
	const char *root = lang_string(l, "root"), *extra = lang_string(l, "extra");

	if (v) {
		if (root || extra)
			lang_say(l, false, v, "cmdline", "root= and extra= are ignored beside it");
		c->cmdline = copy(v->text);
	} else if (root && extra) {
		c->cmdline = must(malloc(strlen(root) + strlen(extra) + 8));
		sprintf(c->cmdline, "root=%s %s", root, extra);
	} else if (root) {
		c->cmdline = must(malloc(strlen(root) + 8));
		sprintf(c->cmdline, "root=%s", root);
	} else if (extra) {
		c->cmdline = copy(extra);
	}
}

static void take_bootloader_args(struct guest_config *c, struct lang *l)
{
	const struct lang_value *v = lang_find(l, "bootloader_args");
	unsigned int nr = 0;

	if (!v)
		return;
	if (v->text) {
		char *text = copy(v->text), *save = NULL;

		for (char *word = strtok_r(text, " \t", &save); word; word = strtok_r(NULL, " \t", &save)) {
			c->bootloader_args = grow(c->bootloader_args, &nr, sizeof(char *));
			c->bootloader_args[nr - 1] = copy(word);
		}
		free(text);
	}
	for (unsigned int i = 0; i < v->nr; i++) {
		if (!v->items[i].text)
			continue;
		c->bootloader_args = grow(c->bootloader_args, &nr, sizeof(char *));
		c->bootloader_args[nr - 1] = copy(v->items[i].text);
	}
	c->bootloader_args = grow(c->bootloader_args, &nr, sizeof(char *));
}

static void take_boot(struct guest_config *c, struct lang *l)
{
	const struct lang_value *firmware;

	take_string(l, "kernel", &c->kernel);
	take_string(l, "ramdisk", &c->ramdisk);
	take_string(l, "bootloader", &c->bootloader);
	take_cmdline(c, l);
	take_bootloader_args(c, l);
	firmware = lang_single(l, "firmware");
	if (firmware && c->type == GUEST_PV) {
		bool is64 = !strcmp(firmware->text, "pvgrub64");
		char path[64];

		if (c->kernel) {
			lang_say(l, true, firmware, "firmware", "there is a kernel= already; only one of them is accepted");
		} else if (!is64 && strcmp(firmware->text, "pvgrub32")) {
			lang_say(l, true, firmware, "firmware", "`%s' is no firmware of PV guests; accepted are pvgrub32, "
				 "pvgrub64", firmware->text);
		} else {
			snprintf(path, sizeof(path), PVGRUB, is64 ? "x86_64" : "i386");
			c->kernel = copy(path);
		}
	} else if (firmware) {
		lang_say(l, false, firmware, "firmware", "not supported yet; it is ignored");
	}
	if (c->type != GUEST_HVM && !c->kernel && !c->bootloader && !firmware)
		lang_say(l, true, NULL, l->files[0], "there is neither kernel= nor bootloader=; one of them is needed");
}

/* --- memory and CPUs ----------------------------------------------------------------------- */

/* Sizes are in MiB; 1 TiB and more would be a mistake today, 16 TiB is where the page tables end. */
#define MEMORY_LIMIT	(16LL << 20)

static void take_memory(struct guest_config *c, struct lang *l)
{
	long long n;

	c->memory = c->maxmem = 32 << 10;
	if (lang_number(l, "memory", 1, MEMORY_LIMIT, &n))
		c->memory = c->maxmem = n << 10, c->has_memory = true;
	if (lang_number(l, "maxmem", 1, MEMORY_LIMIT, &n)) {
		if (c->has_memory && (uint64_t)n << 10 < c->memory) {
			lang_say(l, false, lang_find(l, "maxmem"), "maxmem", "%lld is less than memory= and is ignored; %llu or more "
				 "is accepted", n, (unsigned long long)c->memory >> 10);
			return;
		}
		c->maxmem = n << 10;
		c->has_maxmem = true;
		if (!c->has_memory)
			c->memory = c->maxmem;
	}
}

static void take_vcpus(struct guest_config *c, struct lang *l)
{
	long long n;

	c->vcpus = c->maxvcpus = 1;
	if (lang_number(l, "vcpus", 0, CPUMAP_BITS, &n) && n)
		c->vcpus = c->maxvcpus = n, c->has_vcpus = true;
	if (lang_number(l, "maxvcpus", 0, CPUMAP_BITS, &n) && n) {
		c->has_maxvcpus = true;
		if (n < (long long)c->vcpus)
			lang_say(l, true, lang_find(l, "maxvcpus"), "maxvcpus", "%lld is less than vcpus=; %u or more is accepted",
				 n, c->vcpus);
		else
			c->maxvcpus = n;
	}
}

static void take_affinity(struct lang *l, const char *key, char ***texts, unsigned int *nr, bool *is_list)
{
	const struct lang_value *v = lang_find(l, key), *items = v;
	unsigned int n = 1;
	struct cpumap map;
	const char *why;

	if (!v)
		return;
	*is_list = !v->text;
	if (!v->text) {
		items = v->items;
		n = v->nr;
	}
	for (unsigned int i = 0; i < n; i++) {
		if (!items[i].text) {
			lang_say(l, true, &items[i], key, "a list in the list; accepted are lists of CPUs as text");
			continue;
		}
		if (cpus_parse(&map, items[i].text, NULL, &why)) {
			lang_say(l, true, &items[i], key, "`%s': %s", items[i].text, why);
			continue;
		}
		*texts = grow(*texts, nr, sizeof(char *));
		(*texts)[*nr - 1] = copy(items[i].text);
	}
}

static void take_scheduling(struct guest_config *c, struct lang *l)
{
	take_affinity(l, "cpus", &c->cpus, &c->nr_cpus, &c->cpus_is_list);
	take_affinity(l, "cpus_soft", &c->cpus_soft, &c->nr_cpus_soft, &c->cpus_soft_is_list);
	take_string(l, "pool", &c->pool);
	take_int(l, "cpu_weight", 0, INT32_MAX, &c->cpu_weight);
	take_int(l, "cap", 0, INT32_MAX, &c->cap);
	take_int(l, "period", 0, INT32_MAX, &c->sched_period);
	take_int(l, "slice", 0, INT32_MAX, &c->sched_slice);
	take_int(l, "latency", 0, INT32_MAX, &c->sched_latency);
	take_int(l, "extratime", 0, INT32_MAX, &c->sched_extratime);
}

/* --- what happens when it ends ------------------------------------------------------------- */

static const char *const action_names[] = {
	[ACTION_DESTROY] = "destroy", [ACTION_RESTART] = "restart", [ACTION_RENAME_RESTART] = "rename-restart",
	[ACTION_PRESERVE] = "preserve", [ACTION_COREDUMP_DESTROY] = "coredump-destroy",
	[ACTION_COREDUMP_RESTART] = "coredump-restart", [ACTION_SOFT_RESET] = "soft-reset",
};

const char *shutdown_action_name(enum shutdown_action action)
{
	return action && action < COUNT(action_names) ? action_names[action] : NULL;
}

static void take_action(struct lang *l, const char *key, enum shutdown_action unsaid, enum shutdown_action *field)
{
	const struct lang_value *v = lang_single(l, key);

	*field = unsaid;
	if (!v)
		return;
	for (unsigned int i = 1; i < COUNT(action_names); i++)
		if (!strcmp(v->text, action_names[i])) {
			*field = i;
			return;
		}
	lang_say(l, true, v, key, "unknown action `%s'; accepted are destroy, restart, rename-restart, preserve, "
		 "coredump-destroy, coredump-restart, soft-reset", v->text);
}

static void take_actions(struct guest_config *c, struct lang *l)
{
	take_action(l, "on_poweroff", ACTION_DESTROY, &c->on_poweroff);
	take_action(l, "on_reboot", ACTION_RESTART, &c->on_reboot);
	take_action(l, "on_watchdog", ACTION_DESTROY, &c->on_watchdog);
	take_action(l, "on_crash", ACTION_DESTROY, &c->on_crash);
	take_action(l, "on_soft_reset", ACTION_SOFT_RESET, &c->on_soft_reset);
}

/* --- the rest of what it has -------------------------------------------------------------- */

static void take_tsc_mode(struct guest_config *c, struct lang *l)
{
	static const char *const names[] = { "default", "always_emulate", "native", "native_paravirt" };
	const struct lang_value *v = lang_single(l, "tsc_mode");
	long long n;

	if (!v)
		return;
	for (unsigned int i = 0; i < COUNT(names); i++)
		if (!strcmp(v->text, names[i])) {
			c->tsc_mode = i;
			return;
		}
	if (lang_text_number(v->text, &n) && n >= 0 && n < (long long)COUNT(names))
		c->tsc_mode = n;
	else
		lang_say(l, true, v, "tsc_mode", "unknown mode `%s'; accepted are default, always_emulate, native, "
			 "native_paravirt", v->text);
}

static void take_passthrough(struct lang *l)
{
	static const char *const names[] = { "disabled", "enabled", "sync_pt", "share_pt", "default", "unknown" };
	const struct lang_value *v = lang_single(l, "passthrough");
	bool known = false;

	if (!v)
		return;
	for (unsigned int i = 0; i < COUNT(names); i++)
		known |= !strcmp(v->text, names[i]);
	if (!known)
		lang_say(l, true, v, "passthrough", "unknown choice `%s'; accepted are disabled, enabled, sync_pt, share_pt, "
			 "default", v->text);
	else if (strcmp(v->text, "disabled") && strcmp(v->text, "default"))
		lang_say(l, false, v, "passthrough", "not supported yet; it is ignored");
}

static void take_limits(struct guest_config *c, struct lang *l, const struct xl_conf *conf)
{
	c->max_grant_frames = conf ? conf->max_grant_frames : CONFIG_DEFAULT;
	c->max_maptrack_frames = conf ? conf->max_maptrack_frames : CONFIG_DEFAULT;
	c->max_grant_version = conf ? conf->max_grant_version : CONFIG_DEFAULT;
	take_int(l, "max_grant_frames", 0, INT32_MAX, &c->max_grant_frames);
	take_int(l, "max_maptrack_frames", 0, INT32_MAX, &c->max_maptrack_frames);
	take_int(l, "max_grant_version", 0, 15, &c->max_grant_version);
	c->max_event_channels = 0;
	take_int(l, "max_event_channels", 0, INT32_MAX, &c->max_event_channels);
	if (!c->max_event_channels)
		c->max_event_channels = 1023;
}

static void take_others(struct guest_config *c, struct lang *l, const struct xl_conf *conf)
{
	take_tsc_mode(c, l);
	take_tristate(l, "localtime", &c->localtime_said);
	c->localtime = c->localtime_said == TRI_ON;
	c->has_rtc_timeoffset = take_int(l, "rtc_timeoffset", INT32_MIN, INT32_MAX, &c->rtc_timeoffset);
	take_tristate(l, "driver_domain", &c->driver_domain_said);
	c->driver_domain = c->driver_domain_said == TRI_ON;
	take_tristate(l, "nomigrate", &c->nomigrate_said);
	c->nomigrate = c->nomigrate_said == TRI_ON;
	take_tristate(l, "e820_host", &c->e820_host);
	take_tristate(l, "xend_suspend_evtchn_compat", &c->suspend_compat_said);
	c->suspend_evtchn_compat = c->suspend_compat_said == TRI_ON;
	c->claim = !conf || conf->claim_mode ? TRI_ON : TRI_OFF;
	c->run_hotplug_scripts = !conf || conf->run_hotplug_scripts;
	take_string(l, "seclabel", &c->seclabel);
	take_string(l, "init_seclabel", &c->init_seclabel);
}

/* --- the rest ------------------------------------------------------------------------------ */

/* How many letters have to be changed, put in or left out; @a and @b are short. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned char row[40], next[40];
	size_t n = strlen(b);

	if (n >= sizeof(row) || strlen(a) >= sizeof(row))
		return 99;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		next[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			unsigned int best = row[j] + (a[i] != b[j]);

			if (next[j] + 1u < best)
				best = next[j] + 1;
			if (row[j + 1] + 1u < best)
				best = row[j + 1] + 1;
			next[j + 1] = best;
		}
		memcpy(row, next, n + 1);
	}
	return row[n];
}

static void name_unknown(struct lang *l, const struct lang_setting *s)
{
	const char *best = NULL;
	unsigned int least = 3;

	for (unsigned int i = 0; i < COUNT(known_keys); i++) {
		unsigned int d = distance(s->key, known_keys[i]);

		if (d < least && d < strlen(s->key)) {
			least = d;
			best = known_keys[i];
		}
	}
	if (best)
		lang_say(l, false, &s->value, s->key, "unknown; it is ignored; did you mean %s?", best);
	else
		lang_say(l, false, &s->value, s->key, "unknown; it is ignored");
}

/* Keys that are read, for the JSON that other tools expect, and do nothing to the guest. */
static void name_ineffective(const struct guest_config *c, struct lang *l)
{
	static const char *const keys[][2] = {
		{ "channel", "not supported yet; the guest has none" }, { "p9", "not supported yet; the guest has none" },
		{ "period", "no scheduler here uses it; it is ignored" }, { "slice", "no scheduler here uses it; it is ignored" },
		{ "latency", "no scheduler here uses it; it is ignored" }, { "extratime", "no scheduler here uses it; it is ignored" },
		{ "seclabel", "there are no security labels here; it is ignored" },
		{ "init_seclabel", "there are no security labels here; it is ignored" },
	};

	for (unsigned int i = 0; i < COUNT(keys); i++) {
		const struct lang_value *v = lang_find(l, keys[i][0]);

		if (v)
			lang_say(l, false, v, keys[i][0], "%s", keys[i][1]);
	}
	if (c->e820_host == TRI_ON)
		lang_say(l, false, lang_find(l, "e820_host"), "e820_host", "not supported yet; the guest's memory is one range");
}

static void name_the_rest(struct lang *l)
{
	for (unsigned int i = 0; i < l->nr; i++) {
		const struct lang_setting *s = &l->settings[i];
		bool known = s->asked;

		for (unsigned int j = 0; j < COUNT(known_keys) && !known; j++)
			known = !strcmp(s->key, known_keys[j]);
		if (known)
			continue;
		for (unsigned int j = 0; j < COUNT(unsupported_keys) && !known; j++)
			known = !strcmp(s->key, unsupported_keys[j]);
		if (known)
			lang_say(l, false, &s->value, s->key, "not supported yet; it is ignored");
		else
			name_unknown(l, s);
	}
}

static void take_name(struct guest_config *c, struct lang *l)
{
	const struct lang_value *v = lang_single(l, "name");

	if (!v) {
		lang_say(l, true, NULL, l->files[0], "there is no name=; a guest needs one");
		return;
	}
	if (!*v->text || strlen(v->text) > 255)
		lang_say(l, true, v, "name", "`%.40s' is no name; accepted are 1 to 255 characters", v->text);
	else if (v->text[strspn(v->text, "0123456789")] == 0)
		lang_say(l, false, v, "name", "`%s' is taken for a domain's number by other commands", v->text);
	c->name = copy(v->text);
}

static char *join(const char *text, size_t len, const char *extra)
{
	size_t more = extra ? strlen(extra) : 0;
	char *all = must(malloc(len + more + 2));

	memcpy(all, text, len);
	if (more) {
		all[len] = '\n';
		memcpy(all + len + 1, extra, more);
		len += more + 1;
	}
	all[len] = 0;
	return all;
}

int config_parse(struct guest_config *config, const char *file, const char *text, size_t len, const char *extra,
		 const struct xl_conf *conf, const struct reporter *r)
{
	struct lang l;
	int rc;

	memset(config, 0, sizeof(*config));
	config->cpu_weight = config->cap = CONFIG_DEFAULT;
	config->sched_period = config->sched_slice = config->sched_latency = config->sched_extratime = CONFIG_DEFAULT;
	config->e820_host = config->localtime_said = config->driver_domain_said = config->nomigrate_said =
		config->suspend_compat_said = TRI_DEFAULT;
	lang_init(&l, r);
	rc = lang_read(&l, file, text, len);
	if (extra && lang_read(&l, "command line", extra, strlen(extra)))
		rc = -EINVAL;
	if (!rc) {
		take_name(config, &l);
		take_type(config, &l);
		take_uuid(config, &l);
		take_boot(config, &l);
		take_memory(config, &l);
		take_vcpus(config, &l);
		take_scheduling(config, &l);
		take_actions(config, &l);
		config_take_devices(config, &l, conf);
		take_passthrough(&l);
		config_take_hardware(config, &l);
		take_limits(config, &l, conf);
		take_others(config, &l, conf);
		if (!l.nr_errors)
			name_ineffective(config, &l);
		name_the_rest(&l);
		config->source = join(text, len, extra);
	}
	if (l.nr_errors)
		rc = -EINVAL;
	lang_free(&l);
	if (rc)
		config_free(config);
	return rc;
}

static void free_texts(char **texts, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		free(texts[i]);
	free(texts);
}

void config_free(struct guest_config *c)
{
	FREE_ALL(c->name, c->kernel, c->ramdisk, c->cmdline, c->bootloader, c->pool, c->seclabel, c->init_seclabel, c->source,
		 c->ioports, c->iomem, c->irqs);
	for (char **arg = c->bootloader_args; arg && *arg; arg++)
		free(*arg);
	free(c->bootloader_args);
	free_texts(c->cpus, c->nr_cpus);
	free_texts(c->cpus_soft, c->nr_cpus_soft);
	free_texts(c->cpuid, c->nr_cpuid);
	for (unsigned int i = 0; i < c->nr_disks; i++)
		disk_free(&c->disks[i]);
	free(c->disks);
	for (unsigned int i = 0; i < c->nr_vifs; i++)
		vif_free(&c->vifs[i]);
	free(c->vifs);
	for (unsigned int i = 0; i < c->nr_channels; i++)
		FREE_ALL(c->channels[i].name, c->channels[i].backend, c->channels[i].path);
	free(c->channels);
	for (unsigned int i = 0; i < c->nr_p9s; i++)
		FREE_ALL(c->p9s[i].tag, c->p9s[i].path, c->p9s[i].security_model, c->p9s[i].backend);
	free(c->p9s);
	memset(c, 0, sizeof(*c));
}
