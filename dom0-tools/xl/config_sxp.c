// SPDX-License-Identifier: MIT
/*
 * A PV guest's configuration in the form that xl.conf's output_format="sxp" asks for: what xl 4.17 prints in a dry run,
 * for scripts of that time. What it never knew (weights, rings, CPUs) is not in it.
 */
#include <stdio.h>
#include <stdlib.h>
#include "config.h"

static const char *said(enum tristate value)
{
	return value == TRI_DEFAULT ? "<default>" : value == TRI_ON ? "True" : "False";
}

static const char *text(const char *s)
{
	return s ? s : "(null)";
}

static void put_disk(FILE *f, const struct disk_config *d)
{
	fprintf(f, "\t(device\n\t\t(tap\n\t\t\t(backend_domid 0)\n\t\t\t(frontend_domid -1)\n\t\t\t(physpath %s)\n"
		   "\t\t\t(phystype %d)\n\t\t\t(virtpath %s)\n\t\t\t(unpluggable %d)\n\t\t\t(readwrite %d)\n\t\t\t(is_cdrom %d)\n"
		   "\t\t)\n\t)\n", text(d->target), d->backendtype, text(d->vdev), d->removable, d->readwrite, d->is_cdrom);
}

static void put_vif(FILE *f, const struct vif_config *v, unsigned int i)
{
	fprintf(f, "\t(device\n\t\t(vif\n\t\t\t(backend_domid 0)\n\t\t\t(frontend_domid -1)\n\t\t\t(devid %d)\n\t\t\t(mtu %d)\n"
		   "\t\t\t(model %s)\n\t\t\t(mac %02x%02x%02x%02x%02x%02x)\n\t\t)\n\t)\n",
		v->devid == CONFIG_DEFAULT ? (int)i : v->devid, v->mtu == CONFIG_DEFAULT ? 0 : v->mtu, text(v->model), v->mac[0],
		v->mac[1], v->mac[2], v->mac[3], v->mac[4], v->mac[5]);
}

static void put_build(FILE *f, const struct guest_config *c)
{
	static const char *const tsc_modes[] = { "default", "always_emulate", "native", "native_paravirt" };

	fprintf(f, "\t(build_info)\n\t(max_vcpus %u)\n\t(max_grant_frames %d)\n\t(max_maptrack_frames %d)\n\t(tsc_mode %s)\n"
		   "\t(max_memkb %llu)\n\t(target_memkb %llu)\n\t(nomigrate %s)\n",
		c->maxvcpus, c->max_grant_frames == CONFIG_DEFAULT ? -1 : c->max_grant_frames,
		c->max_maptrack_frames == CONFIG_DEFAULT ? -1 : c->max_maptrack_frames, tsc_modes[c->tsc_mode],
		(unsigned long long)c->maxmem, (unsigned long long)c->memory, said(c->nomigrate_said));
	if (c->bootloader)
		fprintf(f, "\t(bootloader %s)\n", c->bootloader);
	if (c->bootloader_args && c->bootloader_args[0]) {
		fputs("\t(bootloader_args", f);
		for (char **arg = c->bootloader_args; *arg; arg++)
			fprintf(f, " %s", *arg);
		fputs(")\n", f);
	}
	fprintf(f, "\t(image\n\t\t(linux 0)\n\t\t\t(kernel %s)\n\t\t\t(cmdline %s)\n\t\t\t(ramdisk %s)\n\t\t\t(e820_host %s)\n"
		   "\t\t)\n\t)\n", text(c->kernel), text(c->cmdline), text(c->ramdisk), said(c->e820_host));
}

char *config_to_sxp(const struct guest_config *c)
{
	char *all = NULL;
	size_t size;
	FILE *f = open_memstream(&all, &size);

	if (!f)
		abort();
	fprintf(f, "(domain\n\t(domid -1)\n\t(create_info)\n\t(hvm 0)\n\t(hap <default>)\n\t(oos <default>)\n\t(ssidref 0)\n"
		   "\t(name %s)\n\t(uuid <unknown>)\n", c->name);
	if (c->pool)
		fprintf(f, "\t(cpupool %s)\n", c->pool);
	fputs("\t(xsdata (null))\n\t(platformdata (null))\n", f);
	put_build(f, c);
	for (unsigned int i = 0; i < c->nr_disks; i++)
		put_disk(f, &c->disks[i]);
	for (unsigned int i = 0; i < c->nr_vifs; i++)
		put_vif(f, &c->vifs[i], i);
	fputs(")\n", f);
	if (fclose(f))
		abort();
	return all;
}
