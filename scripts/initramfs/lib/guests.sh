# SPDX-License-Identifier: MIT
#
# What tests of guests made by our xl share; sourced by them in dom0. Messages begin with the script's name.

fail() {
	echo "${0##*/}: $*"
	tail -n 20 /var/log/xen/*.log /tmp/*.log 2>/dev/null
	exit 1
}

start_daemons() {
	while read -r name; do
		insmod "/lib/modules/$name.ko" || fail "insmod $name"
	done </lib/modules/order.more
	mount -t xenfs xenfs /proc/xen || fail "mount xenfs"
	mkdir -p /var/run/xen /var/lib/xen /var/lock /var/log/xen /run /etc/xen/scripts /dev/pts
	mount -t devpts devpts /dev/pts || fail "mount devpts"
	mv /hotplug/* /etc/xen/scripts/ || fail "no hotplug scripts"
	xenstored -T /tmp/xenstored.log -F /var/run/xenstored.pid || fail "xenstored does not start"
	xenstore-write /local/domain/0/name Domain-0 /local/domain/0/domid 0
	xenconsoled -i --log=guest 2>/tmp/xenconsoled.log &
}

# Once: a bridge for network interfaces.
bridge() {
	[ -e /sys/class/net/xenbr0 ] || { brctl addbr xenbr0 && ip link set xenbr0 up; } || fail "no bridge"
}

# config NAME KERNEL MEMORY [LINE...]
config() {
	file=/tmp/$1.cfg
	printf 'name = "%s"\ntype = "pv"\nkernel = "%s"\nmemory = %s\n' "$1" "$2" "$3" >"$file"
	shift 3
	for line; do
		echo "$line" >>"$file"
	done
}

# Domains, nodes, files, devices: what must be the same before and after.
state() {
	xl list | awk '{ print $1, $2 }'
	xenstore-ls -f | grep -v "^/local/domain/0/\(memory\|backend\)\|^/libxl = \|^/libxl/disable_udev\|^/vm = "
	find /var/run/xen /var/lib/xen -name "*.libxl-json" -o -name "create-*" -o -name "destroy-*"
	losetup -a
	ls /sys/class/net
}

unchanged() {
	tries=0
	until state >/tmp/after; cmp -s /tmp/before /tmp/after; do
		tries=$((tries + 1))
		[ $tries -lt 50 ] || fail "$1 left something: $(diff /tmp/before /tmp/after)"
		usleep 50000
	done
}

send() {
	tty=$(xenstore-read "/local/domain/$(xl domid "$1")/console/tty") || fail "$1 has no console"
	printf '%s\r' "$2" >"$tty"
}

# await FILE PATTERN
await() {
	tries=0
	until grep -q "$2" "$1" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 6000 ] || fail "no line \"$2\" in $1: $(tail -n 5 "$1")"
		usleep 50000
	done
}

talk() { await "/var/log/xen/console/guest-$1.log" "talk is here"; }
