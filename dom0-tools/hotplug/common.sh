# SPDX-License-Identifier: MIT
# What our hotplug scripts share; sourced by them. They run in a POSIX shell (busybox's too) with Xen's variables:
# XENBUS_PATH is the backend's folder in the store, vif the interface (for vifs), $1 add, online, remove or offline.

PATH=$PATH:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
command=$1

say() {
	echo "$(basename "$0"): ${vif:-$XENBUS_PATH}: $*" >&2
}

# The toolstack shows hotplug-error to whoever waits.
fatal() {
	[ -n "$XENBUS_PATH" ] &&
		xenstore-write "$XENBUS_PATH/hotplug-error" "$*" "$XENBUS_PATH/hotplug-status" error || say "$*"
	exit 1
}

success() {
	xenstore-write "$XENBUS_PATH/hotplug-status" connected || fatal "the store can't be written"
}

# node NAME DEFAULT: a node of the backend
node() {
	xenstore-read "$XENBUS_PATH/$1" 2>/dev/null || echo "$2"
}

[ -n "$XENBUS_PATH" ] || fatal "XENBUS_PATH is not set; this script is run by xl"

# for_vif: renames the interface where the store says so, and sets dev.
for_vif() {
	case " $* " in
	*" type_if=tap "*) exit 0 ;;	# emulated interfaces belong to HVM guests
	esac
	[ -n "$vif" ] || fatal "vif is not set; this script is run by xl"
	dev=$vif
	name=$(node vifname "")
	[ -n "$name" ] || return 0
	if [ "$command" = online ] && [ "$name" != "$vif" ]; then
		[ ! -e "/sys/class/net/$name" ] || fatal "there is another interface $name already"
		ip link set "$vif" name "$name" || fatal "$vif can't be renamed $name"
	fi
	dev=$name
}

# The guest's interface as it is wanted here: up, without an address of IPv6, not larger than the MTU given.
vif_up() {
	mtu=$(node mtu "$1")
	[ -z "$mtu" ] || ip link set "$dev" mtu "$mtu" || say "no MTU of $mtu"
	sysctl -q -w "net.ipv6.conf.$dev.disable_ipv6=1" 2>/dev/null
	ip link set "$dev" up || fatal "$dev can't be brought up"
}
