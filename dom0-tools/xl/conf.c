// SPDX-License-Identifier: MIT
/*
 * xl.conf(5): settings of the toolstack itself. A value that makes no sense is named and its default kept, since a
 * mistake there must not keep a host from being administered.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "config_parts.h"

static void text(struct lang *l, const char *key, const char *old, char **field)
{
	const char *s = old ? lang_string(l, old) : NULL;
	const char *new = lang_string(l, key);

	if (new || s) {
		free(*field);
		*field = copy(new ? new : s);
	}
}

static void number(struct lang *l, const char *key, long long max, int *field)
{
	long long n;

	if (lang_number(l, key, 0, max, &n))
		*field = n;
}

/* Which of @words the value is; -1 if none, which is reported. */
static int word(struct lang *l, const char *key, const char *const *words, const char *accepted)
{
	const struct lang_value *v = lang_single(l, key);

	if (!v)
		return -1;
	for (int i = 0; words[i]; i++)
		if (!strcmp(v->text, words[i]))
			return i;
	lang_say(l, false, v, key, "`%s' is ignored; accepted are %s", v->text, accepted);
	return -1;
}

static void choices(struct xl_conf *conf, struct lang *l)
{
	static const char *const balloon[] = { "off", "on", "auto", "0", "1", NULL };
	static const char *const format[] = { "json", "sxp", NULL };
	static const char *const domid[] = { "xen", "random", NULL };
	int i;

	i = word(l, "autoballoon", balloon, "on, off, auto");
	if (i >= 0)
		conf->autoballoon = i > 2 ? i - 3 : i;
	i = word(l, "output_format", format, "json, sxp");
	conf->sxp = i == 1;
	i = word(l, "domid_policy", domid, "xen, random");
	conf->domid_random = i == 1;
}

int xl_conf_parse(struct xl_conf *conf, const char *file, const char *content, size_t len, const struct reporter *r)
{
	struct lang l;
	int rc;

	memset(conf, 0, sizeof(*conf));
	conf->autoballoon = AUTOBALLOON_AUTO;
	conf->run_hotplug_scripts = true;
	conf->claim_mode = true;
	conf->blkdev_start = copy("xvda");
	conf->max_grant_frames = conf->max_maptrack_frames = conf->max_grant_version = CONFIG_DEFAULT;
	lang_init(&l, r);
	rc = lang_read(&l, file, content, len);
	lang_bool(&l, "run_hotplug_scripts", &conf->run_hotplug_scripts);
	lang_bool(&l, "claim_mode", &conf->claim_mode);
	choices(conf, &l);
	text(&l, "lockfile", NULL, &conf->lockfile);
	text(&l, "vif.default.script", "vifscript", &conf->vif_script);
	text(&l, "vif.default.bridge", "defaultbridge", &conf->vif_bridge);
	text(&l, "vif.default.gatewaydev", "defaultgatewaydev", &conf->vif_gatewaydev);
	text(&l, "vif.default.backend", NULL, &conf->vif_backend);
	text(&l, "blkdev_start", NULL, &conf->blkdev_start);
	text(&l, "remus.default.netbufscript", NULL, &conf->remus_netbufscript);
	text(&l, "colo.default.proxyscript", NULL, &conf->colo_proxyscript);
	text(&l, "vm.cpumask", NULL, &conf->cpumask);
	text(&l, "vm.hvm.cpumask", NULL, &conf->hvm_cpumask);
	text(&l, "vm.pv.cpumask", NULL, &conf->pv_cpumask);
	number(&l, "max_grant_frames", INT32_MAX, &conf->max_grant_frames);
	number(&l, "max_maptrack_frames", INT32_MAX, &conf->max_maptrack_frames);
	number(&l, "max_grant_version", 2, &conf->max_grant_version);
	for (unsigned int i = 0; i < l.nr; i++)
		if (!l.settings[i].asked)
			lang_say(&l, false, &l.settings[i].value, l.settings[i].key, "unknown; it is ignored");
	lang_free(&l);
	return rc;
}

void xl_conf_free(struct xl_conf *conf)
{
	FREE_ALL(conf->lockfile, conf->vif_script, conf->vif_bridge, conf->vif_gatewaydev, conf->vif_backend,
		 conf->blkdev_start, conf->remus_netbufscript, conf->colo_proxyscript, conf->cpumask, conf->hvm_cpumask,
		 conf->pv_cpumask);
	memset(conf, 0, sizeof(*conf));
}
