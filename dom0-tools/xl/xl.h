/* SPDX-License-Identifier: MIT */
/*
 * What the verbs of xl share. xl is one short-lived process for one verb: what goes wrong is one sentence on stderr
 * and the end, with status 1 (2 where the command line itself is wrong), as xl of 4.17 has it. The connections to the
 * hypervisor and to the store are made when they are first used, for many verbs need one of them only.
 */
#ifndef XL_H
#define XL_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <xen/sched.h>
#include <xenstore.h>
#include "../libxenctrl/xenctrl.h"
#include "config.h"

struct xl_globals {
	int verbose;			/* how many -v */
	bool dry_run;			/* -N */
	bool force;			/* -f */
	bool progress_cr;		/* -t */
	bool timestamps;		/* -T */
	const char *verb;
};
extern struct xl_globals xl;

/* --- connections and configuration ------------------------------------------- */

struct xc *xl_xc(void);
/* Is there a hypervisor? For the few verbs that do something without. */
bool xl_have_xen(void);
struct xs_handle *xl_xs(void);
/* First thing in a child that lives on: gives up what is the parent's; the next use makes connections of its own. */
void xl_forked(void);
/* Read at first use, with its mistakes on stderr; defaults if there is no file. */
const struct xl_conf *xl_conf(void);
/* Reports go to stderr. */
extern const struct reporter xl_reporter;

/* --- words ---------------------------------------------------------------------- */

/* "xl: ..." on stderr */
__attribute__((format(printf, 1, 2))) void xl_say(const char *format, ...);
__attribute__((format(printf, 1, 2), noreturn)) void xl_die(const char *format, ...);
/* On stderr with -v only. */
__attribute__((format(printf, 1, 2))) void xl_log(const char *format, ...);
/* The last failure of libxenctrl as xl_die(). */
__attribute__((noreturn)) void xl_die_xc(void);

/* --- options --------------------------------------------------------------------- */

/*
 * getopt_long() for a verb: the next option's letter, or -1 after the last, when at least @required words are left in
 * argv from optind on. -h and mistakes end the program. @longs may be NULL.
 */
int xl_option(int argc, char **argv, const char *shorts, const struct option *longs, int required);
/* The verb's usage on stdout. */
void xl_usage(const char *verb);

/* --- domains -------------------------------------------------------------------- */

/* The domain that a word of the command line means: a number as it is, else by name; ends the program if none. */
uint32_t xl_domain(const char *word);
/* The same without an end: false if there is none. A number need not be a domain's. */
bool xl_find_domain(const char *word, uint32_t *domid);
/* By name only. */
bool xl_domain_by_name(const char *name, uint32_t *domid);
/* malloc()ed; "" if there is none. */
char *xl_domain_name(uint32_t domid);
/* Of each of a list, asked for in one piece; for xl_names_free(). "" for one that has none. */
char **xl_domain_names(const struct xen_domctl_getdomaininfo *list, unsigned int nr);
void xl_names_free(char **names);
/* Ends the program if it is gone. */
void xl_domain_info(uint32_t domid, struct xen_domctl_getdomaininfo *info);
/* All of them, malloc()ed. */
struct xen_domctl_getdomaininfo *xl_domains(unsigned int *nr);

static inline unsigned int xl_shutdown_code(const struct xen_domctl_getdomaininfo *info)
{
	return info->flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;
}
/* "poweroff", "crash"; "-" for a code that has no word. */
const char *xl_shutdown_word(unsigned int code);

static inline uint64_t xl_pages_to_kib(uint64_t pages)
{
	return pages << (XC_PAGE_SHIFT - 10);
}

/* --- the store --------------------------------------------------------------------- */

/* A node's value, malloc()ed; NULL if there is none. */
__attribute__((format(printf, 1, 2))) char *xl_read(const char *path, ...);
/* Writes @value; ends the program if that is refused. */
__attribute__((format(printf, 2, 3))) void xl_write(const char *value, const char *path, ...);

/* --- what libxl keeps of a domain in files ---------------------------------------- */

/* The text of /var/lib/xen/userdata-d.DOMID.UUID.@kind, malloc()ed; NULL if there is none. */
char *xl_userdata(uint32_t domid, const uint8_t uuid[16], const char *kind);
void xl_set_userdata(uint32_t domid, const uint8_t uuid[16], const char *kind, const char *text);
/* A whole file, malloc()ed with a zero behind; NULL with errno. */
char *xl_read_file(const char *path, size_t *len);

/* "512", "2g", "1024m", "100k", "4096b" in KiB; without a letter MiB. -1 if it is no size. */
int64_t xl_parse_memory(const char *text);

/* --- CPUs -------------------------------------------------------------------------- */

/* The machine's; kept for the program's life. */
const struct cpu_topology *xl_topology(void);
/* Takes away the CPUs on which xl.conf lets no guest of this kind run. */
void xl_bound_cpus(struct cpumap *hard, bool is_hvm);
/* Has it none of the machine's? */
bool xl_no_cpu_in(const struct cpumap *map);
/* The words of a pool: its name in the store, else "Pool-N"; malloc()ed. */
char *xl_pool_name(uint32_t id);
/* A pool by name or number; ends the program if there is none. */
uint32_t xl_pool(const char *word);

/* --- verbs: argv[0] is the verb; what they return is xl's status ------------------------ */

typedef int xl_verb_fn(int argc, char **argv);

struct xl_verb {
	const char *name;
	xl_verb_fn *run;		/* NULL: not there yet */
	const char *globals;		/* those of v t T f N that it takes */
	const char *arguments;
	const char *brief;
	const char *options;		/* lines; NULL: none */
};
extern const struct xl_verb xl_verbs[];
const struct xl_verb *xl_find_verb(const char *name);

xl_verb_fn verb_list, verb_vm_list, verb_domid, verb_domname, verb_uptime, verb_rename, verb_claims, verb_vcpu_list;
xl_verb_fn verb_pause, verb_unpause, verb_shutdown, verb_reboot, verb_sysrq, verb_trigger, verb_button_press;
xl_verb_fn verb_debug_keys, verb_mem_set, verb_mem_max, verb_vcpu_set, verb_vcpu_pin, verb_config_update;
xl_verb_fn verb_sched_credit, verb_sched_credit2, verb_cpupool_list, verb_info, verb_dmesg, verb_create;
xl_verb_fn verb_destroy, verb_top, verb_why, verb_dump_core, verb_sharing, verb_help, verb_getenforce;
xl_verb_fn verb_block_resize, verb_backend_upgrade, verb_cd;
xl_verb_fn verb_console, verb_devd, verb_block_attach, verb_block_detach, verb_block_list, verb_network_attach;
xl_verb_fn verb_network_detach, verb_network_list;

#endif
