/* SPDX-License-Identifier: MIT */
/*
 * What a guest's configuration says, parsed and checked: xl.cfg(5), xl-disk-configuration(5),
 * xl-network-configuration(5), xl.conf(5) and lists of CPUs.
 *
 * The parsers are pure: text in, struct out; they open no file and ask no hypervisor. Strings in the structs are
 * malloc()ed, NULL where nothing was said; the *_free() functions release them and leave zeros. What a file does not
 * say has the value that xl of Xen 4.17 takes; where that depends on the machine or on other values the field says
 * CONFIG_DEFAULT or -1, and create.c decides.
 */
#ifndef XL_CONFIG_H
#define XL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Where what the parsers have to say goes: one line each, "file:line:column: key: what is wrong; what is accepted",
 * without newline. Warnings don't make a parse fail.
 */
struct reporter {
	void (*say)(void *arg, bool is_error, const char *line);
	void *arg;
};

/*
 * Text that others wrote (guests, backends), for a terminal and for one line of a log: '?' for control characters, of
 * UTF-8 too, and for what is no UTF-8. In place; returns @text, which may be NULL.
 */
char *printable(char *text);
/* A domain's name as a part of a file's: '_' for each '/'. In place; returns @text. */
char *one_component(char *text);
/* Hands @line over, made printable. */
void report_line(const struct reporter *r, bool is_error, char *line);

#define CONFIG_DEFAULT		(-1)		/* of a number or a choice: nothing was said */

enum guest_type { GUEST_PV, GUEST_PVH, GUEST_HVM };

/* Values are libxl's, so that they can be written to its JSON. */
enum shutdown_action {
	ACTION_DESTROY = 1, ACTION_RESTART, ACTION_RENAME_RESTART, ACTION_PRESERVE,
	ACTION_COREDUMP_DESTROY, ACTION_COREDUMP_RESTART, ACTION_SOFT_RESET,
};

enum tsc_mode { TSC_DEFAULT, TSC_ALWAYS_EMULATE, TSC_NATIVE, TSC_NATIVE_PARAVIRT };

/* An on/off/default choice. */
enum tristate { TRI_OFF = 0, TRI_ON = 1, TRI_DEFAULT = 2 };

/* --- CPUs ---------------------------------------------------------------------------------- */

#define CPUMAP_BITS		4096

struct cpumap {
	uint64_t word[CPUMAP_BITS / 64];
};

/* What "all" and "nodes:" mean; node_of[cpu], or -1 for a CPU that is not there. */
struct cpu_topology {
	unsigned int nr_cpus;
	unsigned int nr_nodes;
	const int *node_of;
};

static inline bool cpumap_test(const struct cpumap *m, unsigned int cpu)
{
	return cpu < CPUMAP_BITS && m->word[cpu / 64] >> cpu % 64 & 1;
}

static inline void cpumap_set(struct cpumap *m, unsigned int cpu)
{
	if (cpu < CPUMAP_BITS)
		m->word[cpu / 64] |= 1ULL << cpu % 64;
}

/*
 * Reads "all", "0-3,5,^1", "nodes:0-3,^node:2" or "none" into *map. Without a @topology only the grammar is checked.
 * Returns 0, or -EINVAL with one sentence in *why (static text).
 */
int cpus_parse(struct cpumap *map, const char *text, const struct cpu_topology *topology, const char **why);

/*
 * Writes a map as xl does: "all" if it has each of @nr_cpus, "none" if it has none, else "0-3,5". Returns @buf.
 */
char *cpus_format(const struct cpumap *map, unsigned int nr_cpus, char *buf, size_t size);

/* --- disks --------------------------------------------------------------------------------- */

enum disk_format { DISK_FORMAT_UNKNOWN, DISK_QCOW, DISK_QCOW2, DISK_VHD, DISK_RAW, DISK_EMPTY, DISK_QED, DISK_VMDK };
enum disk_backend { DISK_BACKEND_UNKNOWN, DISK_PHY, DISK_TAP, DISK_QDISK, DISK_STANDALONE };

struct disk_config {
	char *target;			/* file or device; NULL: an empty drive */
	char *vdev;			/* "xvda"; never NULL after a parse that succeeded */
	char *backend;			/* domain that serves it, by name or number; NULL: domain 0 */
	char *script;			/* hotplug script; NULL: none */
	enum disk_format format;	/* DISK_RAW if nothing was said */
	enum disk_backend backendtype;
	bool readwrite;
	bool removable;
	bool is_cdrom;
	bool direct_io_safe;
	enum tristate discard;
	enum tristate trusted;
	char *specification;		/* "xen" or "virtio" */
	char *colo_host, *colo_export, *active_disk, *hidden_disk;
	enum tristate colo;
	int colo_port;
};

/*
 * Reads a disk: @n pieces, which follow each other as if there were a comma between them (the words of xl
 * block-attach). Returns 0 or -EINVAL; then one line went to @r, which begins with @where.
 */
int disk_parse(struct disk_config *disk, const char *const *pieces, int n, const char *where, const struct reporter *r);
void disk_free(struct disk_config *disk);

/*
 * The number of a virtual device by its name ("xvda1", "sdb", "hdc2", "d3p1", "51712", "0xca00"), as
 * xen-vbd-interface(7) has it; *disk and *partition may be NULL. -1 if there is no such name.
 */
int disk_vdev_number(const char *vdev, int *disk, int *partition);

/* --- network interfaces -------------------------------------------------------------------- */

enum vif_backend { VIF_BACKEND_DEFAULT, VIF_BACKEND_LINUX, VIF_BACKEND_NETBACK };
enum vif_type { VIF_TYPE_DEFAULT, VIF_TYPE_IOEMU, VIF_TYPE_VIF };

struct vif_config {
	bool has_mac;			/* else one is made up: vif_random_mac() */
	uint8_t mac[6];
	char *bridge;			/* NULL: xl.conf's, else xenbr0 */
	char *gatewaydev;
	char *ip;
	char *script;			/* NULL: xl.conf's, else vif-bridge */
	char *ifname;
	char *model;
	char *backend;			/* domain by name or number; NULL: xl.conf's, else 0 */
	enum vif_type type;
	int devid;			/* CONFIG_DEFAULT: the next free one */
	int mtu;			/* bytes; CONFIG_DEFAULT: nothing was said */
	uint64_t rate_bytes;		/* per interval; 0: no limit */
	uint32_t rate_usecs;		/* interval */
	enum tristate trusted;
	enum vif_backend backendtype;	/* ours: not a key of xl of 4.17 */
};

/* As disk_parse(). */
int vif_parse(struct vif_config *vif, const char *const *pieces, int n, const char *where, const struct reporter *r);
void vif_free(struct vif_config *vif);
/* 00:16:3e and three of @random. */
void vif_random_mac(struct vif_config *vif, const uint8_t random[3]);
/*
 * "10MB/s", "500Kb/s@20ms" and so on: bytes per interval and the interval in us. Returns 0, or -EINVAL with one
 * sentence in *why (static text).
 */
int vif_parse_rate(const char *text, uint64_t *bytes, uint32_t *usecs, const char **why);

/* --- xl.conf ------------------------------------------------------------------------------- */

enum autoballoon { AUTOBALLOON_OFF, AUTOBALLOON_ON, AUTOBALLOON_AUTO };

struct xl_conf {
	enum autoballoon autoballoon;	/* auto: on, unless dom0_mem= bounds dom0's memory */
	bool run_hotplug_scripts;	/* 1 if nothing is said */
	bool claim_mode;		/* 1 if nothing is said */
	bool sxp;			/* output_format */
	char *lockfile;			/* NULL: the default path */
	char *vif_script, *vif_bridge, *vif_gatewaydev, *vif_backend;
	char *blkdev_start;		/* "xvda" if nothing is said */
	char *remus_netbufscript, *colo_proxyscript;
	char *cpumask, *hvm_cpumask, *pv_cpumask;	/* lists for cpus_parse(); NULL: all */
	int max_grant_frames, max_maptrack_frames, max_grant_version;	/* or CONFIG_DEFAULT */
	bool domid_random;		/* domid_policy */
};

/* Always leaves usable values; mistakes are warnings but for text that is not in the language at all (-EINVAL). */
int xl_conf_parse(struct xl_conf *conf, const char *file, const char *text, size_t len, const struct reporter *r);
void xl_conf_free(struct xl_conf *conf);

/* --- guests -------------------------------------------------------------------------------- */

struct io_range {			/* ports, frames */
	uint64_t start;
	uint64_t number;
	uint64_t gfn;			/* of memory: where in the guest; UINT64_MAX: as in the host */
};

struct channel_config {
	char *name;
	char *backend;
	bool is_socket;			/* connection=socket, with path; else pty */
	char *path;
};

struct p9_config {
	char *tag, *path, *security_model, *backend;
};

struct guest_config {
	char *name;			/* never NULL after a parse that succeeded */
	bool has_uuid;			/* else create.c makes one */
	uint8_t uuid[16];
	enum guest_type type;
	char *kernel;
	char *ramdisk;
	char *cmdline;			/* cmdline=, or root= and extra= put together */
	char *bootloader;
	char **bootloader_args;		/* NULL terminated; NULL: none */

	uint64_t memory;		/* KiB, at start */
	uint64_t maxmem;		/* KiB, at least memory */
	bool has_memory;		/* the text has memory=, maxmem=, vcpus=, maxvcpus=: only JSON asks */
	bool has_maxmem;
	bool has_vcpus;
	bool has_maxvcpus;
	unsigned int vcpus;		/* online at start */
	unsigned int maxvcpus;
	/*
	 * Affinity: either one text for all vcpus, or texts for the first nr vcpus, for cpus_parse(). NULL: all CPUs.
	 */
	char **cpus;
	unsigned int nr_cpus;
	bool cpus_is_list;
	char **cpus_soft;
	unsigned int nr_cpus_soft;
	bool cpus_soft_is_list;
	char *pool;			/* NULL: Pool-0 */
	int cpu_weight;			/* these five: or CONFIG_DEFAULT */
	int cap;
	int sched_period, sched_slice, sched_latency;
	int sched_extratime;

	enum shutdown_action on_poweroff, on_reboot, on_crash, on_watchdog, on_soft_reset;

	struct disk_config *disks;
	unsigned int nr_disks;
	struct vif_config *vifs;
	unsigned int nr_vifs;
	struct channel_config *channels;
	unsigned int nr_channels;
	struct p9_config *p9s;
	unsigned int nr_p9s;

	int max_grant_frames;		/* these four: or CONFIG_DEFAULT, after xl.conf's had its say */
	int max_maptrack_frames;
	int max_grant_version;
	int max_event_channels;		/* 1023 if nothing is said */
	enum tsc_mode tsc_mode;
	bool localtime;
	bool has_rtc_timeoffset;
	int rtc_timeoffset;		/* seconds */
	bool driver_domain;
	bool nomigrate;
	enum tristate e820_host;
	enum tristate claim;
	bool suspend_evtchn_compat;
	bool run_hotplug_scripts;	/* xl.conf */
	/* What was said of the ones above, for JSON. */
	enum tristate localtime_said, driver_domain_said, nomigrate_said, suspend_compat_said;
	char *seclabel, *init_seclabel;
	char **cpuid;			/* each setting of the list as text */
	unsigned int nr_cpuid;
	struct io_range *ioports;
	unsigned int nr_ioports;
	struct io_range *iomem;
	unsigned int nr_iomem;
	unsigned int *irqs;
	unsigned int nr_irqs;

	char *source;			/* the text as it was read with what the command line added: config-update, restore */
};

/*
 * Reads an xl.cfg. @file names it in messages, @extra are further lines (key=value of the command line; may be NULL),
 * @conf gives defaults (may be NULL). Returns 0 or -EINVAL; each mistake and each warning went to @r.
 */
int config_parse(struct guest_config *config, const char *file, const char *text, size_t len, const char *extra,
		 const struct xl_conf *conf, const struct reporter *r);
void config_free(struct guest_config *config);

/*
 * The configuration as JSON of libxl 4.17 (malloc()ed text): bare with a negative @domid as xl create -n prints it, bare
 * with a domain's number as libxl keeps it in /var/lib/xen/userdata-d.DOMID.UUID.libxl-json, and else with the number (null
 * for a negative one) in an object around it.
 * @topology says which CPUs "all" and "nodes:" are in the affinities (NULL: none).
 */
char *config_to_json(const struct guest_config *config, const struct cpu_topology *topology, int domid, bool bare);
/* A PV guest's as xl.conf's output_format="sxp" has it in a dry run. */
char *config_to_sxp(const struct guest_config *config);

/* "rename-restart"; NULL if @action is none. */
const char *shutdown_action_name(enum shutdown_action action);

#endif
