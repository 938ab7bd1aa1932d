// SPDX-License-Identifier: MIT
/*
 * Network interfaces: xl-network-configuration(5). KEY=VALUE and flags with commas between them, all of them optional;
 * the last of several with one key counts. What xl of 4.17 doesn't know is a warning there and here. A MAC that is none
 * is a mistake here: xl of 4.17 makes one up instead, and the guest gets no address from its DHCP server.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config_parts.h"

struct parse {
	const char *where;
	const struct reporter *r;
};

__attribute__((format(printf, 3, 4)))
static int say(struct parse *p, bool is_error, const char *format, ...)
{
	char text[512], line[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	snprintf(line, sizeof(line), "%s: %s", p->where, text);
	report_line(p->r, is_error, line);
	return is_error ? -EINVAL : 0;
}

static void set(char **field, const char *text)
{
	free(*field);
	*field = strdup(text);
	if (!*field)
		abort();
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits at *p, at most @max; false if there are none or too many. */
static bool read_number(const char **p, uint64_t max, uint64_t *n)
{
	if (!is_digit(**p))
		return false;
	for (*n = 0; is_digit(**p); (*p)++) {
		if (*n > (max - (**p - '0')) / 10)
			return false;
		*n = *n * 10 + (**p - '0');
	}
	return true;
}

/* What netback can count: 4 GiB per interval, 2^32 us. */
int vif_parse_rate(const char *text, uint64_t *bytes, uint32_t *usecs, const char **why)
{
	static const char form[] = "no rate; accepted are forms like 10Mb/s, 250KB/s, 1MB/s@20ms";
	uint64_t number, rate, interval = 50000, unit = 1;
	const char *p = text;

	*why = form;
	if (!read_number(&p, UINT32_MAX, &number))
		return -EINVAL;
	if (*p == 'G')
		unit = 1000000000;
	else if (*p == 'M')
		unit = 1000000;
	else if (*p == 'K')
		unit = 1000;
	if (unit > 1)
		p++;
	if (*p != 'B' && *p != 'b')
		return -EINVAL;
	rate = number * unit;
	if (*p == 'b')
		rate /= 8;
	p++;
	if (strncmp(p, "/s", 2))
		return -EINVAL;
	p += 2;
	if (*p == '@') {
		p++;
		if (!read_number(&p, UINT32_MAX, &interval))
			return -EINVAL;
		if (!strcmp(p, "ms"))
			interval *= 1000, p += 2;
		else if (!strcmp(p, "us"))
			p += 2;
		else if (!strcmp(p, "s") || !*p)
			interval *= 1000000, p += strlen(p);
	}
	if (*p)
		return -EINVAL;
	*why = "the interval is out of range; accepted is 1us to 4294s";
	if (!interval || interval > UINT32_MAX)
		return -EINVAL;
	*why = "the rate is out of range; accepted is 1 bit to 4 GiB in an interval";
	if (!number || rate > UINT64_MAX / interval || rate * interval / 1000000 > UINT32_MAX)
		return -EINVAL;
	*bytes = rate * interval / 1000000;
	*usecs = interval;
	return 0;
}

/* Six numbers of one or two digits with ':' or '-' between them. */
static bool read_mac(const char *text, uint8_t mac[6])
{
	for (int i = 0; i < 6; i++) {
		unsigned int value;
		int n = 0;

		if (sscanf(text, "%2x%n", &value, &n) != 1 || n < 1 || !strchr("0123456789abcdefABCDEF", *text))
			return false;
		text += n;
		mac[i] = value;
		if (i < 5 && *text != ':' && *text != '-')
			return false;
		text += i < 5;
	}
	return !*text;
}

static int set_mac(struct parse *p, struct vif_config *vif, const char *text)
{
	static const uint8_t zero[6];

	if (!read_mac(text, vif->mac))
		return say(p, true, "`%s' is no mac address; accepted are six hexadecimal numbers, like "
			   "00:16:3e:01:02:03", text);
	if (vif->mac[0] & 1)
		say(p, false, "mac %s is a multicast address, with which a guest reaches nobody", text);
	vif->has_mac = memcmp(vif->mac, zero, 6);
	return 0;
}

static int set_number(struct parse *p, int *field, const char *key, const char *text)
{
	const char *at = text;
	uint64_t n;

	if (!read_number(&at, INT32_MAX, &n) || *at)
		return say(p, true, "%s `%s' is no number; 0 to 2147483647 is accepted", key, text);
	*field = n;
	return 0;
}

static int set_key(struct parse *p, struct vif_config *vif, const char *key, const char *value)
{
	const struct {
		const char *name;
		char **field;
	} texts[] = {
		{ "bridge", &vif->bridge }, { "gatewaydev", &vif->gatewaydev }, { "netdev", &vif->gatewaydev },
		{ "ip", &vif->ip }, { "script", &vif->script }, { "vifname", &vif->ifname },
		{ "model", &vif->model }, { "backend", &vif->backend },
	};
	const char *why;

	for (unsigned int i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (!strcmp(key, texts[i].name)) {
			set(texts[i].field, value);
			return 0;
		}
	if (!strcmp(key, "mac"))
		return set_mac(p, vif, value);
	if (!strcmp(key, "devid"))
		return set_number(p, &vif->devid, key, value);
	if (!strcmp(key, "mtu"))
		return set_number(p, &vif->mtu, key, value);
	if (!strcmp(key, "rate")) {
		if (vif_parse_rate(value, &vif->rate_bytes, &vif->rate_usecs, &why))
			return say(p, true, "rate `%s': %s", value, why);
		return 0;
	}
	if (!strcmp(key, "type")) {
		if (!strcmp(value, "vif"))
			vif->type = VIF_TYPE_VIF;
		else if (!strcmp(value, "ioemu"))
			vif->type = VIF_TYPE_IOEMU;
		else
			return say(p, false, "unknown type `%s' is ignored; accepted are vif, ioemu", value);
		return 0;
	}
	if (!strcmp(key, "backendtype")) {
		if (!strcmp(value, "netback"))
			vif->backendtype = VIF_BACKEND_NETBACK;
		else if (!strcmp(value, "linux"))
			vif->backendtype = VIF_BACKEND_LINUX;
		else
			return say(p, true, "unknown backendtype `%s'; accepted are linux (the module xen-netback), netback (ours)", value);
		return 0;
	}
	/* What COLO and netchannel wanted. */
	if (!strcmp(key, "accel") || !strcmp(key, "forwarddev") || !strncmp(key, "colo_", 5))
		return say(p, false, "%s is not supported yet and is ignored", key);
	return say(p, false, "unknown parameter `%s' is ignored; accepted are mac, bridge, gatewaydev, ip, script, vifname, "
		   "model, type, backend, backendtype, rate, devid, mtu, trusted, untrusted", key);
}

static int parse_piece(struct parse *p, struct vif_config *vif, const char *piece)
{
	char *all = strdup(piece), *at = all, *next;
	int rc = 0;

	if (!all)
		abort();
	for (; at && !rc; at = next) {
		char *equals;

		at += strspn(at, " \t");
		next = strchr(at, ',');
		if (next)
			*next++ = 0;
		equals = strchr(at, '=');
		if (!*at)
			continue;
		if (!strcmp(at, "trusted"))
			vif->trusted = TRI_ON;
		else if (!strcmp(at, "untrusted"))
			vif->trusted = TRI_OFF;
		else if (!equals)
			say(p, false, "`%s' is ignored; accepted are KEY=VALUE, trusted, untrusted", at);
		else {
			*equals = 0;
			rc = set_key(p, vif, at, equals + 1);
		}
	}
	free(all);
	return rc;
}

int vif_parse(struct vif_config *vif, const char *const *pieces, int n, const char *where, const struct reporter *r)
{
	struct parse p = { .where = where, .r = r };
	int rc = 0;

	memset(vif, 0, sizeof(*vif));
	vif->devid = CONFIG_DEFAULT;
	vif->mtu = CONFIG_DEFAULT;
	vif->trusted = TRI_DEFAULT;
	for (int i = 0; i < n && !rc; i++)
		rc = parse_piece(&p, vif, pieces[i]);
	if (rc)
		vif_free(vif);
	return rc;
}

void vif_free(struct vif_config *vif)
{
	FREE_ALL(vif->bridge, vif->gatewaydev, vif->ip, vif->script, vif->ifname, vif->model, vif->backend);
	memset(vif, 0, sizeof(*vif));
}

void vif_random_mac(struct vif_config *vif, const uint8_t random[3])
{
	static const uint8_t prefix[3] = { 0x00, 0x16, 0x3e };

	memcpy(vif->mac, prefix, 3);
	memcpy(vif->mac + 3, random, 3);
	/* Three zero bytes with the prefix are fine; the half above 0x7f is left to those who configure by hand. */
	vif->mac[3] &= 0x7f;
	vif->has_mac = true;
}
