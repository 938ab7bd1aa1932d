// SPDX-License-Identifier: MIT
/*
 * The verbs of xl 4.17, all 92, in the order of its help, with why, block-resize and backend-upgrade besides. Those without a function are not there yet
 * and say so. A line "Usage: xl [-globals] verb arguments" begins each help.
 */
#include <stddef.h>
#include "xl.h"

const struct xl_verb xl_verbs[] = {
	{
		"create", verb_create, "vtTfN",
		"[options] [ConfigFile] [key=value ...]",
		"Make a guest from a configuration file and start it",
		"-f FILE, --defconfig=FILE  The configuration file.\n"
		"-c                         Connect to the guest's console when it is made.\n"
		"-p                         Leave it paused.\n"
		"-F                         Stay in the foreground until the guest ends.\n"
		"-e                         Do not wait in the background for its end.\n"
		"-n, --dryrun               Print the configuration as JSON and make nothing (as xl -N).\n"
		"-q, --quiet                Print errors only.\n"
		"-d                         Accepted for compatibility.\n"
		"-V, --vncviewer            Accepted; PV guests have no screen yet.\n"
		"-A, --vncviewer-autopass   Likewise.\n"
		"--ignore-global-affinity-masks  Leave xl.conf's masks out.\n"
		"-h                         Print this help.\n"
	},
	{
		"config-update", verb_config_update, "vtTfN",
		"<Domain> <ConfigFile> [options] [key=value ...]",
		"Keep another configuration for a running guest, for its next start",
		"-f FILE, --defconfig=FILE  The configuration file.\n"
		"-d                         Accepted for compatibility.\n"
		"-h                         Print this help.\n"
	},
	{
		"list", verb_list, "vtT",
		"[options] [Domain ...]",
		"Show domains, all of them if none is named",
		"-l, --long                 Configurations as JSON.\n"
		"-v, --verbose              UUID, reason of the end and security label too.\n"
		"-Z, --context              Security label too.\n"
		"-c, --cpupool              The CPU pool too.\n"
		"-n, --numa                 The nodes that memory comes from too.\n"
		"-h                         Print this help.\n"
	},
	{
		"destroy", verb_destroy, "vtTf",
		"[options] <Domain>",
		"End a guest at once, as if its power were cut",
		"-f                         Accepted; nothing holds it up.\n"
		"-h                         Print this help.\n"
	},
	{
		"shutdown", verb_shutdown, "vtTf",
		"[options] <-a|Domain>",
		"Ask a guest to shut down",
		"-a, --all                  All guests.\n"
		"-w, --wait                 Wait for the end; twice: until the guests are gone.\n"
		"-F                         Press the virtual button of an HVM guest that does not answer.\n"
		"-h                         Print this help.\n"
	},
	{
		"reboot", verb_reboot, "vtTf",
		"[options] <-a|Domain>",
		"Ask a guest to reboot",
		"-a, --all                  All guests.\n"
		"-w, --wait                 Wait for the end; twice: until the guests are gone.\n"
		"-F                         Press the virtual button of an HVM guest that does not answer.\n"
		"-h                         Print this help.\n"
	},
	{
		"pci-attach", NULL, "vtTf",
		"<Domain> <PCI spec>",
		"Give a guest a PCI device",
		NULL
	},
	{
		"pci-detach", NULL, "vtTf",
		"[-f] <Domain> <PCI spec>",
		"Take a PCI device from a guest",
		NULL
	},
	{
		"pci-list", NULL, "vtTf",
		"<Domain>",
		"Show a guest's PCI devices",
		NULL
	},
	{
		"pci-assignable-add", NULL, "vtTf",
		"[-n Name] <BDF>",
		"Make a PCI device available to guests",
		NULL
	},
	{
		"pci-assignable-remove", NULL, "vtTf",
		"[-r] <BDF|Name>",
		"Give a PCI device back to domain 0",
		NULL
	},
	{
		"pci-assignable-list", NULL, "vtTf",
		"[-n]",
		"Show the PCI devices that are available to guests",
		NULL
	},
	{
		"pause", verb_pause, "vtTf",
		"<Domain>",
		"Stop all vcpus of a domain",
		NULL
	},
	{
		"unpause", verb_unpause, "vtTf",
		"<Domain>",
		"Let the vcpus of a paused domain run",
		NULL
	},
	{
		"console", verb_console, "vtT",
		"[options] <Domain>",
		"Connect to a guest's console; Ctrl-] leaves it",
		"-t pv|serial               Which kind of console; PV guests have only the first.\n"
		"-n NUMBER                  Which of several consoles.\n"
		"-h                         Print this help.\n"
	},
	{
		"vncviewer", NULL, "vtT",
		"[--autopass] <Domain>",
		"Show a guest's screen",
		NULL
	},
	{
		"save", NULL, "vtTf",
		"[options] <Domain> <CheckpointFile> [ConfigFile]",
		"Save a running guest to a file",
		NULL
	},
	{
		"migrate", NULL, "vtTf",
		"[options] <Domain> <host>",
		"Move a running guest to another host",
		NULL
	},
	{
		"restore", NULL, "vtTf",
		"[options] [ConfigFile] <CheckpointFile>",
		"Make a guest from a saved one",
		NULL
	},
	{
		"migrate-receive", NULL, "vtTf",
		"",
		"Take a guest that another host sends",
		NULL
	},
	{
		"dump-core", verb_dump_core, "vtTf",
		"<Domain> [File]",
		"Write a domain's memory and vcpus to an ELF core",
		NULL
	},
	{
		"cd-insert", verb_cd, "vtTf",
		"<Domain> <VirtualDevice> <Target>",
		"Put a disc into an HVM guest's drive",
		NULL
	},
	{
		"cd-eject", verb_cd, "vtTf",
		"<Domain> <VirtualDevice>",
		"Take the disc out of an HVM guest's drive",
		NULL
	},
	{
		"mem-max", verb_mem_max, "vtTf",
		"<Domain> <Memory['b'|'k'|'m'|'g'|'t']>",
		"Set the most memory that a domain may ever have; MiB without a letter",
		NULL
	},
	{
		"mem-set", verb_mem_set, "vtTf",
		"<Domain> <Memory['b'|'k'|'m'|'g'|'t']>",
		"Set the memory that a domain is to have now; MiB without a letter",
		NULL
	},
	{
		"button-press", verb_button_press, "vtTf",
		"<Domain> <power|sleep>",
		"Press a button of a guest; use trigger instead",
		NULL
	},
	{
		"vcpu-list", verb_vcpu_list, "vtT",
		"[Domain ...]",
		"Show vcpus of domains, all of them if none is named",
		NULL
	},
	{
		"vcpu-pin", verb_vcpu_pin, "vtTfN",
		"[options] <Domain> <VCPU|all> <CPUs|-|all> [CPUs|-|all]",
		"Set on which CPUs a vcpu may run (hard), and should (soft)",
		"-f, --force                Take back a pinning that the guest's kernel made.\n"
		"--ignore-global-affinity-masks  Leave xl.conf's masks out.\n"
		"-h                         Print this help.\n"
	},
	{
		"vcpu-set", verb_vcpu_set, "vtTf",
		"[options] <Domain> <vCPUs>",
		"Set how many vcpus a guest is to use",
		"-i, --ignore-host          Allow more than the machine has CPUs.\n"
		"-h                         Print this help.\n"
	},
	{
		"vm-list", verb_vm_list, "vtT",
		"",
		"Show UUIDs, numbers and names of domains",
		NULL
	},
	{
		"info", verb_info, "vtT",
		"[options] [Name]",
		"Show the machine and its hypervisor, or the values whose names begin with a word",
		"-n, --numa                 CPUs and nodes too.\n"
		"-h                         Print this help.\n"
	},
	{
		"sharing", verb_sharing, "vtT",
		"[Domain]",
		"Show how much memory domains share",
		NULL
	},
	{
		"sched-credit", verb_sched_credit, "vtTf",
		"[-d <Domain> [-w WEIGHT] [-c CAP]] [-s [-t TSLICE] [-r RLIMIT] [-m DELAY]] [-p CPUPOOL]",
		"Show or set parameters of the credit scheduler",
		"-d DOMAIN, --domain=DOMAIN       The domain.\n"
		"-w WEIGHT, --weight=WEIGHT       Its share of the CPUs, 1 to 65535.\n"
		"-c CAP, --cap=CAP                Most of it, in percent of one CPU; 0: no limit.\n"
		"-s, --schedparam                 The pool's parameters.\n"
		"-t TSLICE, --tslice_ms=TSLICE    Length of a time slice, ms.\n"
		"-r RLIMIT, --ratelimit_us=RLIMIT Least time of a vcpu on a CPU, us.\n"
		"-m DELAY, --migration_delay_us=DELAY  Time for which a vcpu stays where it ran, us.\n"
		"-p CPUPOOL, --cpupool=CPUPOOL    This pool only.\n"
		"-h                               Print this help.\n"
	},
	{
		"sched-credit2", verb_sched_credit2, "vtTf",
		"[-d <Domain> [-w WEIGHT] [-c CAP]] [-s [-r RLIMIT]] [-p CPUPOOL]",
		"Show or set parameters of the credit2 scheduler",
		"-d DOMAIN, --domain=DOMAIN       The domain.\n"
		"-w WEIGHT, --weight=WEIGHT       Its share of the CPUs, 1 to 65535.\n"
		"-c CAP, --cap=CAP                Most of it, in percent of one CPU; 0: no limit.\n"
		"-s, --schedparam                 The pool's parameters.\n"
		"-r RLIMIT, --ratelimit_us=RLIMIT Least time of a vcpu on a CPU, us.\n"
		"-p CPUPOOL, --cpupool=CPUPOOL    This pool only.\n"
		"-h                               Print this help.\n"
	},
	{
		"sched-rtds", NULL, "vtTf",
		"[options]",
		"Show or set parameters of the real-time scheduler",
		NULL
	},
	{
		"domid", verb_domid, "vtT",
		"<DomainName>",
		"Print the number of the domain with a name",
		NULL
	},
	{
		"domname", verb_domname, "vtT",
		"<DomainId>",
		"Print the name of the domain with a number",
		NULL
	},
	{
		"rename", verb_rename, "vtTf",
		"<Domain> <NewName>",
		"Give a domain another name",
		NULL
	},
	{
		"trigger", verb_trigger, "vtTf",
		"<Domain> <nmi|reset|init|power|sleep|s3resume> [VCPU]",
		"Send a domain an event of its hardware",
		NULL
	},
	{
		"sysrq", verb_sysrq, "vtTf",
		"<Domain> <letter>",
		"Send a Linux guest a magic system request",
		NULL
	},
	{
		"debug-keys", verb_debug_keys, "vtTf",
		"<Keys>",
		"Have the hypervisor print what these keys ask for",
		NULL
	},
	{
		"set-parameters", NULL, "vtTf",
		"<Parameters>",
		"Change options of the running hypervisor",
		NULL
	},
	{
		"dmesg", verb_dmesg, "vtT",
		"[-c]",
		"Print the hypervisor's log",
		"-c, --clear                Empty it afterwards.\n"
		"-h                         Print this help.\n"
	},
	{
		"top", verb_top, "vtT",
		"[options]",
		"Watch domains: CPU, memory, vcpus, networks, disks",
		"-b, --batch                Print to standard output, without a screen.\n"
		"-d SECONDS, --delay=SECONDS  Time between two looks (3).\n"
		"-i COUNT, --iterations=COUNT  Looks before the end.\n"
		"-v, --vcpus                Time of each vcpu too.\n"
		"-n, --networks             Networks too.\n"
		"-x, --vbds                 Disks too.\n"
		"-f, --full-name            Names at full length.\n"
		"-h                         Print this help.\n"
	},
	{
		"why", verb_why, "vtT",
		"<Domain|Name>",
		"Tell why a guest ended, crashed or never started",
		NULL
	},
	{
		"network-attach", verb_network_attach, "vtTfN",
		"<Domain> [key=value ...]",
		"Give a guest a network interface",
		NULL
	},
	{
		"network-list", verb_network_list, "vtT",
		"<Domain ...>",
		"Show guests' network interfaces",
		NULL
	},
	{
		"network-detach", verb_network_detach, "vtTf",
		"<Domain> <DevId|MAC>",
		"Take a network interface from a guest",
		NULL
	},
	{
		"channel-list", NULL, "vtT",
		"<Domain ...>",
		"Show guests' channels",
		NULL
	},
	{
		"block-attach", verb_block_attach, "vtTfN",
		"<Domain> <disk-spec-component ...>",
		"Give a guest a disk",
		NULL
	},
	{
		"block-list", verb_block_list, "vtT",
		"<Domain ...>",
		"Show guests' disks",
		NULL
	},
	{
		"block-detach", verb_block_detach, "vtTf",
		"[options] <Domain> <DevId>",
		"Take a disk from a guest",
		"-f, --force                Do not wait for the guest to give it back.\n"
		"-h                         Print this help.\n"
	},
	{
		"block-resize", verb_block_resize, "vtT",
		"<Domain> <DevId> [Size]",
		"Tell a guest that its disk has grown; with a size, let its file grow first",
		"Size is a number with K, M, G or T behind it. Only a raw file can be made to grow, and none shrinks.\n"
		"-h                         Print this help.\n"
	},
	{
		"backend-upgrade", verb_backend_upgrade, "vtT",
		"<Domain> <DevId>",
		"Serve a guest's disk (xvda) or interface (vif0) with the program installed now",
		"The guest sees a pause. Only what backendd serves can be upgraded.\n"
		"-h                         Print this help.\n"
	},
	{
		"vtpm-attach", NULL, "vtTf",
		"<Domain> [key=value ...]",
		"Give a guest a virtual TPM",
		NULL
	},
	{
		"vtpm-list", NULL, "vtT",
		"<Domain ...>",
		"Show guests' virtual TPMs",
		NULL
	},
	{
		"vtpm-detach", NULL, "vtTf",
		"<Domain> <DevId>",
		"Take a virtual TPM from a guest",
		NULL
	},
	{
		"vkb-attach", NULL, "vtTf",
		"<Domain> [key=value ...]",
		"Give a guest a virtual keyboard",
		NULL
	},
	{
		"vkb-list", NULL, "vtT",
		"<Domain ...>",
		"Show guests' virtual keyboards",
		NULL
	},
	{
		"vkb-detach", NULL, "vtTf",
		"<Domain> <DevId>",
		"Take a virtual keyboard from a guest",
		NULL
	},
	{
		"vdispl-attach", NULL, "vtTf",
		"<Domain> [key=value ...]",
		"Give a guest a virtual display",
		NULL
	},
	{
		"vdispl-list", NULL, "vtT",
		"<Domain ...>",
		"Show guests' virtual displays",
		NULL
	},
	{
		"vdispl-detach", NULL, "vtTf",
		"<Domain> <DevId>",
		"Take a virtual display from a guest",
		NULL
	},
	{
		"vsnd-attach", NULL, "vtTf",
		"<Domain> [key=value ...]",
		"Give a guest a virtual sound card",
		NULL
	},
	{
		"vsnd-list", NULL, "vtT",
		"<Domain ...>",
		"Show guests' virtual sound cards",
		NULL
	},
	{
		"vsnd-detach", NULL, "vtTf",
		"<Domain> <DevId>",
		"Take a virtual sound card from a guest",
		NULL
	},
	{
		"uptime", verb_uptime, "vtT",
		"[-s] [Domain ...]",
		"Show for how long domains have been there",
		"-s, --short                Without seconds, with the time of day.\n"
		"-h                         Print this help.\n"
	},
	{
		"claims", verb_claims, "vtT",
		"",
		"Show memory that is set aside for guests being made",
		NULL
	},
	{
		"cpupool-create", NULL, "vtTfN",
		"[options] [ConfigFile] [key=value ...]",
		"Make a CPU pool",
		NULL
	},
	{
		"cpupool-list", verb_cpupool_list, "vtT",
		"[-c] [CPU Pool]",
		"Show CPU pools",
		"-c, --cpus                 Their CPUs.\n"
		"-h                         Print this help.\n"
	},
	{
		"cpupool-destroy", NULL, "vtTf",
		"<CPU Pool>",
		"End a CPU pool",
		NULL
	},
	{
		"cpupool-rename", NULL, "vtTf",
		"<CPU Pool> <NewName>",
		"Give a CPU pool another name",
		NULL
	},
	{
		"cpupool-cpu-add", NULL, "vtTf",
		"<CPU Pool> <CPUs|node:nodes>",
		"Put CPUs into a pool",
		NULL
	},
	{
		"cpupool-cpu-remove", NULL, "vtTf",
		"<CPU Pool> <CPUs|node:nodes>",
		"Take CPUs out of a pool",
		NULL
	},
	{
		"cpupool-migrate", NULL, "vtTf",
		"<Domain> <CPU Pool>",
		"Move a domain to another pool",
		NULL
	},
	{
		"cpupool-numa-split", NULL, "vtTf",
		"",
		"Make one CPU pool of each node",
		NULL
	},
	{
		"getenforce", verb_getenforce, "vtT",
		"",
		"Tell whether security labels are enforced",
		NULL
	},
	{
		"setenforce", NULL, "vtTf",
		"<1|0|Enforcing|Permissive>",
		"Choose whether security labels are enforced",
		NULL
	},
	{
		"loadpolicy", NULL, "vtTf",
		"<policy file>",
		"Load rules for security labels",
		NULL
	},
	{
		"remus", NULL, "vtTf",
		"[options] <Domain> <host>",
		"Keep a copy of a guest on another host",
		NULL
	},
	{
		"devd", verb_devd, "vtTf",
		"[options]",
		"Serve devices for a driver domain",
		"-F                         Stay in the foreground.\n"
		"-p FILE, --pidfile=FILE    Write the process's number there.\n"
		"-h                         Print this help.\n"
	},
	{
		"psr-hwinfo", NULL, "vtTf",
		"[options]",
		"Show what of cache and memory bandwidth can be watched and shared out",
		NULL
	},
	{
		"psr-cmt-attach", NULL, "vtTf",
		"<Domain>",
		"Watch a domain's use of the cache",
		NULL
	},
	{
		"psr-cmt-detach", NULL, "vtTf",
		"<Domain>",
		"Stop watching a domain's use of the cache",
		NULL
	},
	{
		"psr-cmt-show", NULL, "vtTf",
		"<type> [Domain]",
		"Show use of the cache",
		NULL
	},
	{
		"psr-cat-set", NULL, "vtTf",
		"[options] <Domain> <CBM>",
		"Set a domain's part of the cache",
		NULL
	},
	{
		"psr-cat-show", NULL, "vtTf",
		"[options] [Domain]",
		"Show domains' parts of the cache",
		NULL
	},
	{
		"psr-mba-set", NULL, "vtTf",
		"[options] <Domain> <THRTL>",
		"Set a domain's part of the memory bandwidth",
		NULL
	},
	{
		"psr-mba-show", NULL, "vtTf",
		"[Domain]",
		"Show domains' parts of the memory bandwidth",
		NULL
	},
	{
		"usbctrl-attach", NULL, "vtTf",
		"<Domain> [key=value ...]",
		"Give a guest a USB controller",
		NULL
	},
	{
		"usbctrl-detach", NULL, "vtTf",
		"<Domain> <DevId>",
		"Take a USB controller from a guest",
		NULL
	},
	{
		"usbdev-attach", NULL, "vtTf",
		"<Domain> [key=value ...]",
		"Give a guest a USB device",
		NULL
	},
	{
		"usbdev-detach", NULL, "vtTf",
		"<Domain> controller=<DevId> port=<Port>",
		"Take a USB device from a guest",
		NULL
	},
	{
		"usb-list", NULL, "vtTf",
		"<Domain>",
		"Show a guest's USB devices",
		NULL
	},
	{
		"qemu-monitor-command", NULL, "vtTf",
		"<Domain> <Command>",
		"Give a command to an HVM guest's device model",
		NULL
	},
	{
		"help", verb_help, "vtT",
		"[--long] [subcommand]",
		"Show all verbs, or how to use one",
		NULL
	},
	{ NULL, NULL, NULL, NULL, NULL, NULL },
};
